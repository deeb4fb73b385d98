import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import tls from 'node:tls';
import { readClaims } from '../../services/entra-emulator/src/rig.fake.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { brokerEnvironment } from './broker.ts';
import { clientTests, runProgram, type Seen } from './client.ts';
import type { LanguageName } from './languages.ts';
import { oauth4webapi } from './oauth4webapi.ts';

let system: System;
let env: Record<string, string>;
before(async () => {
  system = await openSystem({ name: 'clients-broker', brokers: 1, signing: 'each' });
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), system.emulator.caPem]);
  await system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  env = await brokerEnvironment(system);
});
after(() => system?.close());

const claims = ({ access_token }: Seen) => readClaims(String(access_token));
const ids = () => system.emulator.ids;

/** A session is opaque; who checked the ID token tells the name in it. */
const session = (seen: Seen) => {
  assert.match(String(seen.access_token), /^[\w-]{43}$/);
  if (seen.id_token) assert.equal(readClaims(String(seen.id_token)).oid, ids().users.alice);
  if (seen.name) assert.equal(seen.name, 'Alice Ahrens');
  assert.ok(seen.id_token ?? seen.name);
};
const apiToken = (seen: Seen) => {
  const { aud, oid } = claims(seen);
  assert.deepEqual([aud, oid], [ids().apps.api, ids().users.alice]);
};
const graphToken = (seen: Seen) => {
  const { aud, azp, oid } = claims(seen);
  assert.deepEqual([aud, azp, oid], ['https://graph.microsoft.com', ids().apps.api, ids().users.alice]);
};
const appToken = (seen: Seen) => {
  const { aud, azp, scp } = claims(seen);
  assert.deepEqual([aud, azp, scp], [ids().apps.api, ids().apps.job, undefined]);
};
const ended = ({ before, after }: Seen) => assert.deepEqual([before, after], [true, false]);

const signIn = { 'signs a person in with PKCE and a nonce it checks itself': session };
const tokens = {
  ...signIn,
  "exchanges the session for an API's token": apiToken,
  'acts on behalf of the person': graphToken,
  'gets an app token': appToken,
};
const all = { ...tokens, 'introspects and revokes the session': ended };

const at = 'broker';
const atBroker = (
  client: string,
  language: LanguageName,
  program: string,
  flows: Record<string, (seen: Seen) => void>,
) => clientTests({ client, at, run: () => runProgram(language, program, env) }, flows);

atBroker('Authlib', 'python', 'authlib_broker', all);
atBroker('requests-oauthlib', 'python', 'requests_oauthlib_broker', {
  ...signIn,
  'gets an app token and is given the scope it asked for': appToken,
});
atBroker('golang.org/x/oauth2', 'go', 'oauth2_broker', tokens);
atBroker('Nimbus OAuth 2.0 SDK', 'java', 'NimbusBroker', all);
clientTests({ client: 'oauth4webapi', at, run: () => oauth4webapi(env) }, all);
