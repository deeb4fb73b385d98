import { strict as assert } from 'node:assert';
import { after, before, beforeEach, describe, it } from 'node:test';
import { apiScope, openRig, type Rig, readClaims } from '../../rig.fake.ts';

const alice = 'alice@contoso.test';
const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
type Codes = { user_code: string; device_code: string; verification_uri: string; interval: number; expires_in: number };

describe('a device', () => {
  let rig: Rig;
  before(async () => {
    rig = await openRig();
  });
  beforeEach(() => rig.admin('POST', '/reset'));
  after(() => rig.emulator.close());

  const discovery = async () => {
    const response = await fetch(`${rig.authority}/v2.0/.well-known/openid-configuration`);
    return (await response.json()) as { device_authorization_endpoint: string };
  };
  /** Asks for codes at the endpoint that discovery names. */
  const begin = async (app = 'cli', scope = `openid offline_access ${apiScope}`): Promise<Codes> => {
    const body = new URLSearchParams({ client_id: rig.ids.apps[app] ?? '', scope });
    const response = await fetch((await discovery()).device_authorization_endpoint, { method: 'POST', body });
    return (await response.json()) as Codes;
  };
  const ask = (device_code: string, client: Record<string, string> = { client_id: rig.ids.apps.cli ?? '' }) =>
    rig.post({ grant_type, ...client, device_code });
  /** A person opens the page that the device shows and types its code. */
  const type = async ({ verification_uri }: Codes, user_code: string) => {
    const person = rig.person();
    await person.visit(verification_uri);
    assert.equal(person.title(), 'Enter code');
    await person.answer({ user_code });
    return person;
  };

  it('waits, and has its tokens once a person has typed its code and signed in', async () => {
    const codes = await begin();
    assert.deepEqual([codes.interval, codes.expires_in], [5, 900]);
    const pending = await ask(codes.device_code);
    assert.deepEqual([pending.status, pending.body.error], [400, 'authorization_pending']);
    const person = await type(codes, ` ${codes.user_code.toLowerCase()} `);
    await person.answer({ username: alice });
    assert.equal(person.title(), 'Permissions requested');
    assert.equal((await ask(codes.device_code)).body.error, 'authorization_pending');
    await person.answer({ consent: 'accept' });
    assert.equal(person.title(), 'Signed in');
    const { status, body } = await ask(codes.device_code);
    assert.equal(status, 200);
    const { oid, azpacr, scp } = readClaims(body.access_token);
    assert.deepEqual([oid, azpacr, scp], [rig.ids.users.alice, '0', 'access_as_user']);
    assert.ok(body.id_token && body.refresh_token);
    const form = { client_id: rig.ids.apps.cli ?? '', grant_type: 'refresh_token', refresh_token: body.refresh_token };
    assert.equal((await rig.post(form)).status, 200);
    assert.equal((await ask(codes.device_code)).body.error_codes[0], 54005);
  });

  it('may use the grant’s older name, as MSAL Go does', async () => {
    await rig.admin('PUT', '/interaction', { mode: 'auto', user: alice });
    const codes = await begin();
    const client = { client_id: rig.ids.apps.cli ?? '', grant_type: 'device_code' };
    assert.equal((await ask(codes.device_code, client)).body.error, 'authorization_pending');
    await type(codes, codes.user_code);
    assert.equal((await ask(codes.device_code, client)).status, 200);
    assert.equal((await rig.admin('GET', '/requests')).at(-1).grant, 'device_code');
  });

  it('is told that the person said no', async () => {
    const codes = await begin();
    const person = await type(codes, codes.user_code);
    await person.answer({ username: alice });
    await person.answer({ consent: 'cancel' });
    assert.match(person.page().html, /AADSTS65004/);
    assert.equal((await ask(codes.device_code)).body.error, 'authorization_declined');
  });

  it('waits fifteen minutes, in which a code is good for one sign-in', async () => {
    const codes = await begin();
    assert.match((await type(codes, 'WRONG')).page().html, /role="alert">AADSTS70018/);
    const person = await type(codes, codes.user_code);
    await person.answer({ username: alice });
    await person.answer({ consent: 'accept' });
    assert.match((await type(codes, codes.user_code)).page().html, /role="alert">AADSTS70018/);
    const late = await begin();
    await rig.admin('PUT', '/clock', { offsetSeconds: 901 });
    assert.match((await type(late, late.user_code)).page().html, /role="alert">AADSTS70019/);
    assert.equal((await ask(late.device_code)).body.error, 'expired_token');
  });

  it('is no other client’s, and needs the secret of an app that allows no public flows', async () => {
    const codes = await begin();
    assert.equal((await ask(codes.device_code, rig.web)).body.error, 'bad_verification_code');
    assert.equal((await ask('3.unknown')).body.error, 'bad_verification_code');
    const { device_code } = await begin('web');
    assert.equal((await ask(device_code, { client_id: rig.ids.apps.web })).body.error_codes[0], 7000218);
    assert.equal((await ask(device_code, rig.web)).body.error, 'authorization_pending');
  });

  it('needs no page in auto mode', async () => {
    await rig.admin('PUT', '/interaction', { mode: 'auto', user: alice });
    const codes = await begin();
    assert.equal((await type(codes, codes.user_code)).title(), 'Signed in');
    assert.equal((await ask(codes.device_code)).status, 200);
  });

  it('shows no code in the counters or the request log', async () => {
    const { device_code } = await begin();
    await ask(device_code);
    const seen = await rig.admin('GET', '/requests');
    assert.deepEqual([seen.at(-1).grant, seen.at(-1).outcome], ['device_code', '70016']);
    assert.match(seen.at(-1).tokens.device_code, /^[0-9a-f]{64}$/);
    assert.ok(!JSON.stringify(seen).includes(device_code));
  });
});
