import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Agent, request } from 'undici';
import { type Fleet, graphScope, openFleet } from '../kit/fleet.ts';

let fleet: Fleet;

before(async () => {
  fleet = await openFleet({ name: 'broker-operations', brokers: 1 });
});
after(() => fleet[Symbol.asyncDispose]());

describe('an operator', { concurrency: true }, () => {
  it('lets the listener speak TLS', async () => {
    const folder = join(fleet.stateDir, 'emulator');
    const { url } = await fleet.startBroker({
      TLS_CERT_FILE: join(folder, 'tls.pem'),
      TLS_KEY_FILE: join(folder, 'tls.key'),
    });
    const dispatcher = new Agent({ connect: { ca: fleet.emulator.caPem } });
    const metadata = `${url.replace('http://127.0.0.1', 'https://localhost')}/.well-known/oauth-authorization-server`;
    const { statusCode, body } = await request(metadata, { dispatcher });
    assert.equal(statusCode, 200);
    assert.ok(Object.hasOwn((await body.json()) as object, 'token_endpoint'));
    await assert.rejects(request(metadata.replace('https', 'http')), 'plain http is not answered');
    await dispatcher.close();
  });

  it('changes the clients without a restart, and a broken change changes nothing', async () => {
    const file = join(fleet.stateDir, 'clients.json');
    const text = await readFile(file, 'utf8');
    const write = async (content: string) => {
      await writeFile(`${file}.next`, content);
      await rename(`${file}.next`, file);
    };
    const session = await fleet.signIn('alice');
    const errorFor = async (scope: string) => (await fleet.exchange(0, session, scope)).body.error;
    assert.equal(await errorFor('api://onbehalf-api/payroll.read'), 'invalid_scope');
    await write(text.replaceAll(`"${graphScope}"`, `"${graphScope}", "api://onbehalf-api/payroll.read"`));
    await fleet.until(async () => (await errorFor('api://onbehalf-api/payroll.read')) !== 'invalid_scope');
    await write('{ "web": { "tenantId": 1 } }');
    const log = fleet.brokers[0]?.child.logFile ?? '';
    await fleet.until(async () => (await readFile(log, 'utf8')).includes('clients.reload_failed'));
    assert.equal((await fleet.exchange(0, session)).status, 200);
  });
});
