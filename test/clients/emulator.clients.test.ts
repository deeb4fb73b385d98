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
/** The same at a name without a port: MSAL Java forgets the port when it refreshes. */
let named: EmulatorPlace;
before(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'onbehalf-clients-'));
  opened.defer(() => rm(directory, { recursive: true, force: true }));
  place = await openEmulator(join(directory, 'port'), opened);
  named = await openEmulator(join(directory, 'name'), opened, { named: true });
});
after(() => opened.disposeAsync());

const claims = ({ access_token }: Seen) => readClaims(String(access_token));
const ids = () => place.emulator.ids;

/** An app's token by a credential of this kind, for the API. */
const appTokenBy = (azpacr: '1' | '2') => (seen: Seen) => {
  const { aud, azpacr: shown, scp, oid, sub } = claims(seen);
  assert.deepEqual([aud, shown, scp, oid === sub], [ids().apps.api, azpacr, undefined, true]);
};
/** Alice's token for the API, which this app asked for. */
const userTokenOf =
  (app = 'web') =>
  (seen: Seen) => {
    const { aud, azp, oid, scp } = claims(seen);
    assert.deepEqual([aud, azp, oid, scp], [ids().apps.api, ids().apps[app], ids().users.alice, 'access_as_user']);
  };
const refreshed = (seen: Seen) => {
  userTokenOf()(seen);
  assert.notEqual(seen.access_token, seen.before);
};
const onBehalf = (seen: Seen) => {
  const { aud, azp, oid } = claims(seen);
  assert.deepEqual([aud, azp, oid], ['https://graph.microsoft.com', ids().apps.api, ids().users.alice]);
};

const appFlows = {
  'gets an app token by secret': appTokenBy('1'),
  'gets an app token by certificate': appTokenBy('2'),
  'gets an app token by federated assertion': appTokenBy('2'),
};
const msalFlows = {
  ...appFlows,
  'redeems a code with PKCE': userTokenOf(),
  refreshes: refreshed,
  'acts on behalf of a person': onBehalf,
  "signs a program's person in without a secret": userTokenOf('cli'),
  "signs a device's person in": userTokenOf('cli'),
};

const oidcFlows = {
  'gets an app token by secret': appTokenBy('1'),
  'gets an app token by certificate': appTokenBy('2'),
  'signs a person in with PKCE and checks the ID token': (seen: Seen) => {
    userTokenOf()(seen);
    assert.equal(seen.name, 'Alice Ahrens');
  },
  refreshes: refreshed,
};

const atEmulator = (
  client: string,
  language: LanguageName,
  program: string,
  flows: Record<string, (seen: Seen) => void>,
  where = () => place,
) => clientTests({ client, at: 'emulator', run: () => runProgram(language, program, where().env) }, flows);

atEmulator('MSAL Python', 'python', 'msal_emulator', msalFlows);
atEmulator('Authlib', 'python', 'authlib_emulator', oidcFlows);
atEmulator('requests-oauthlib', 'python', 'requests_oauthlib_emulator', {
  'gets an app token by secret': appTokenBy('1'),
  'redeems a code with PKCE and is given the scope it asked for': userTokenOf(),
  refreshes: refreshed,
});

const { "signs a program's person in without a secret": _, ...goFlows } = msalFlows;
atEmulator('MSAL Go', 'go', 'msal_emulator', goFlows);
atEmulator('azidentity', 'go', 'azidentity_emulator', {
  ...appFlows,
  'acts on behalf of a person': onBehalf,
  "signs a device's person in": userTokenOf('cli'),
});
atEmulator('golang.org/x/oauth2', 'go', 'oauth2_emulator', {
  'gets an app token by secret': appTokenBy('1'),
  'redeems a code with PKCE': userTokenOf(),
  refreshes: refreshed,
  "signs a device's person in": userTokenOf('cli'),
});

atEmulator('MSAL Java', 'java', 'MsalEmulator', goFlows, () => named);
atEmulator('Nimbus OAuth 2.0 SDK', 'java', 'NimbusEmulator', {
  ...oidcFlows,
  'acts on behalf of a person': onBehalf,
});
