import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const env = {
  ENTRA_AUDIENCE: 'a9100000-7e57-4000-8000-000000000021',
  ENTRA_TENANTS: 'c0de0000-7e57-4000-8000-000000000001',
  // Nobody listens there: the service starts all the same.
  ENTRA_AUTHORITY_HOST: 'https://127.0.0.1:1',
  BROKER_URL: 'http://127.0.0.1:1',
  BROKER_ASSERTION_FILE: '/nowhere',
  ...{ HTTP_PORT: '0', ADMIN_PORT: '0', BIND_ADDRESS: '127.0.0.1', SHUTDOWN_DELAY_MS: '0' },
};

describe('the process', () => {
  it('serves without waiting for Entra, responds with 503 where it must, and ends on SIGTERM with 0', async () => {
    await using running = new AsyncDisposableStack();
    const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    // Also where the test fails: a process that is left keeps the file from ending.
    running.defer(() => void child.kill('SIGKILL'));
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const { port } = JSON.parse(String((await lines.next()).value));
    const token = `${btoa('{"alg":"RS256","typ":"JWT"}')}.${btoa(`{"tid":"${env.ENTRA_TENANTS}"}`).replaceAll('=', '')}.AAAA`;
    const res = await fetch(`http://127.0.0.1:${port}/whoami`, { headers: { Authorization: `Bearer ${token}` } });
    assert.deepEqual([res.status, res.headers.get('retry-after')], [503, '5']);
    assert.equal(JSON.parse(String((await lines.next()).value)).dependency, 'entra-keys');
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('warns at the start that any client of the tenants may call, unless the configuration names them', async () => {
    const firstLine = async (more: object) => {
      const child = spawn(process.execPath, [main], { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'inherit'] });
      const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
      child.kill('SIGTERM');
      await once(child, 'exit');
      return JSON.parse(String(value));
    };
    const open = await firstLine({});
    assert.equal(open.level, 'warn');
    assert.match(open.msg, /any client of the tenants/);
    const closed = await firstLine({ ENTRA_ALLOWED_CLIENTS: env.ENTRA_AUDIENCE });
    assert.deepEqual([closed.level, closed.msg], ['info', 'serving']);
  });

  it('names every wrong key and ends with 1 before it listens', async () => {
    const child = spawn(process.execPath, [main], { env: { HTTP_PORT: 'x' }, stdio: ['ignore', 'ignore', 'pipe'] });
    let printed = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      printed += text;
    });
    assert.deepEqual(await once(child, 'close'), [1, null]);
    for (const name of ['HTTP_PORT', 'ENTRA_AUDIENCE', 'BROKER_URL']) assert.ok(printed.includes(name));
  });
});
