import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { readClaims } from '../../services/entra-emulator/src/rig.fake.ts';
import { clientTests, runProgram, type Seen } from './client.ts';
import { type EmulatorPlace, openEmulator } from './emulator.ts';
import type { LanguageName } from './languages.ts';

const opened = new AsyncDisposableStack();
let place: EmulatorPlace;
before(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'onbehalf-agents-'));
  opened.defer(() => rm(directory, { recursive: true, force: true }));
  place = await openEmulator(directory, opened);
});
after(() => opened.disposeAsync());

/** The claims that a token must have, by what the emulator's apps and people are called. */
const holds = (expected: (ids: EmulatorPlace['emulator']['ids']) => object) => (seen: Seen) => {
  const claims = readClaims(String(seen.access_token));
  const wanted = expected(place.emulator.ids);
  assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((name) => [name, claims[name]])), wanted);
};
const ofAgent = ({ apps }: EmulatorPlace['emulator']['ids']) => ({
  ...{ aud: apps.api, azp: apps.scout, xms_par_app_azp: apps.agents, xms_act_fct: '3 9 11' },
});
const asUser = holds((ids) => ({
  ...{ ...ofAgent(ids), idtyp: 'user', oid: ids.users.scout, scp: 'access_as_user', xms_sub_fct: '1 13' },
}));
/** The AADSTS number, however a library says it. */
const refusedWith =
  (code: number) =>
  ({ raised }: Seen) =>
    assert.match(String(raised), new RegExp(String(code)));

const flows = {
  "gets its blueprint's token for it": holds(({ apps }) => ({ azp: apps.agents, idtyp: 'app' })),
  'acts for itself': holds((ids) => ({ ...ofAgent(ids), idtyp: 'app', roles: ['Reports.Read'], scp: '/' })),
  'acts on behalf of a person': holds((ids) => ({
    ...{ ...ofAgent(ids), idtyp: 'user', oid: ids.users.alice, scp: 'access_as_user', xms_sub_fct: undefined },
  })),
  'acts as its user by name': asUser,
  'acts as its user by id': asUser,
};
const refusals = {
  'is refused the agent of another blueprint': refusedWith(700213),
  "is refused another agent's token": refusedWith(700213),
};

for (const [client, language] of [
  ['MSAL Python', 'python'],
  ['MSAL Node', 'node'],
] as [string, LanguageName][]) {
  const run = () => runProgram(language, 'msal_agents', place.env);
  clientTests({ client, at: 'emulator, as agents', run }, flows, refusals);
}
