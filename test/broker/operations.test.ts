import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Agent, request } from 'undici';
import { openSystem } from '../kit/system/open.ts';
import { graphScope } from '../kit/system/registrations.ts';

const system = await openSystem({ name: 'broker-operations', brokers: 1 });
after(() => system.close());

describe('an operator', { concurrency: true }, () => {
  it('lets the listener speak TLS', async () => {
    const folder = join(system.stateDir, 'emulator');
    const { url } = await system.startBroker({
      TLS_CERT_FILE: join(folder, 'tls.pem'),
      TLS_KEY_FILE: join(folder, 'tls.key'),
    });
    const dispatcher = new Agent({ connect: { ca: system.emulator.caPem } });
    const metadata = `${url.replace('http://127.0.0.1', 'https://localhost')}/.well-known/oauth-authorization-server`;
    const { statusCode, body } = await request(metadata, { dispatcher });
    assert.equal(statusCode, 200);
    assert.ok(Object.hasOwn((await body.json()) as object, 'token_endpoint'));
    await assert.rejects(request(metadata.replace('https', 'http')), 'plain http is not answered');
    await dispatcher.close();
  });

  it('changes the clients without a restart, and a broken change changes nothing', async () => {
    const file = join(system.stateDir, 'clients.json');
    const text = await readFile(file, 'utf8');
    const write = async (content: string) => {
      await writeFile(`${file}.next`, content);
      await rename(`${file}.next`, file);
    };
    const session = await system.signIn('alice');
    const errorFor = async (scope: string) => (await system.exchange(0, session, scope)).body.error;
    assert.equal(await errorFor('api://onbehalf-api/payroll.read'), 'invalid_scope');
    await write(text.replaceAll(`"${graphScope}"`, `"${graphScope}", "api://onbehalf-api/payroll.read"`));
    await system.until(async () => (await errorFor('api://onbehalf-api/payroll.read')) !== 'invalid_scope');
    await write('{ "web": { "tenantId": 1 } }');
    const log = system.brokers[0]?.child.logFile ?? '';
    await system.until(async () => (await readFile(log, 'utf8')).includes('clients.reload_failed'));
    assert.equal((await system.exchange(0, session)).status, 200);
  });
});
