import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { resultSchema } from '../../services/load-generator/src/results/result.ts';
import { grants } from '../../services/load-generator/src/target/oauth.ts';
import { openSystem } from '../../test/kit/system/open.ts';
import { apiScope } from '../../test/kit/system/registrations.ts';
import type { System } from '../../test/kit/system/system.ts';
import { startStock } from '../bench/stock-process.ts';

/** `npm run load -- endpoint` at token endpoints that are not the broker's own, and at the broker as if it were not. */
describe('npm run load -- endpoint', () => {
  let system: System;
  let folder: string;
  let caller: string;
  const opened = new AsyncDisposableStack();
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onbehalf-endpoint-'));
    opened.defer(() => rm(folder, { recursive: true, force: true }));
    system = await openSystem({ name: 'load-endpoint', brokers: 1, emulator: 'apart' });
    opened.defer(() => system.close());
    caller = await system.cluster.mountToken({ namespace: 'onbehalf', name: 'web', audience: 'token-broker' });
  });
  after(() => opened.disposeAsync());
  const issuer = () => `${system.emulator.origin}/${system.emulator.ids.tenants.contoso}/v2.0`;

  /** Loads what the adapter describes for three seconds, and gives what was counted. */
  async function load(name: string, adapter: object) {
    const file = join(folder, `${name}.json`);
    await writeFile(file, JSON.stringify(adapter));
    const json = join(folder, `${name}-result.json`);
    const args = ['endpoint', '--endpoint', file, '--rate', '40', '--duration', '3', '--quick', '--json', json];
    const env = { PATH: process.env.PATH ?? '', NODE_EXTRA_CA_CERTS: join(system.stateDir, 'emulator', 'ca.pem') };
    const { stdout, stderr, code } = await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const program = ['services/load-generator/src/main.ts', ...args];
      execFile(process.execPath, program, { env, timeout: 100_000 }, (error, out, err) =>
        resolve({ code: error ? Number(error.code ?? 99) : 0, stdout: out, stderr: err }),
      );
    });
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stdout + stderr, /eyJ|web-secret|subject_token=/);
    const { runs, context } = resultSchema.parse((await import(json, { with: { type: 'json' } })).default);
    const { requests, errors, foreign } = runs[0]?.totals ?? assert.fail();
    const { users } = runs[0]?.load ?? assert.fail();
    return { requests, errors, foreign, users, opened: runs[0]?.totals.opened ?? 0, target: context.target };
  }

  it('asks Entra-compatible endpoints, such as the emulator’s own', async () => {
    const { target, ...counts } = await load('entra', {
      ...{ url: `${issuer().replace(/v2\.0$/, '')}oauth2/v2.0/token`, issuer: issuer() },
      form: {
        ...{ grant_type: 'client_credentials', scope: 'api://onbehalf-api/.default' },
        ...{ client_id: system.emulator.ids.apps.web, client_secret: 'web-secret' },
      },
    });
    assert.deepEqual([counts.requests, counts.errors, counts.foreign], [120, 0, 0]);
    assert.equal(target, system.emulator.origin);
  });

  it('asks RFC 8693 endpoints for several people, and looks whose the tokens are', async () => {
    const { fields } = await system.startSignIn('alice');
    const { body } = await system.post(0, '/oauth2/token', fields);
    const [, claims = ''] = String(body.id_token).split('.');
    const { oid } = JSON.parse(Buffer.from(claims, 'base64url').toString());
    const people = [{ form: { subject_token: String(body.access_token) }, oid }];
    const counts = await load('rfc-8693', {
      ...{ url: `${system.brokers[0]?.url}/oauth2/token`, issuer: issuer(), assertionFile: caller, people },
      form: {
        ...{ grant_type: grants.exchange, scope: apiScope },
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      },
    });
    assert.deepEqual([counts.requests, counts.errors, counts.foreign], [120, 0, 0]);
    assert.equal(counts.users, people.length, 'as many as its file has, not as were asked for');
    assert.ok(counts.opened > 0);
  });

  it('asks a service over stock MSAL Node, so that figures compare', async () => {
    const [, unchecked] = await startStock(system, { web: 'none', api: 'none', job: 'none' }, opened);
    const [{ origin, path, body } = assert.fail()] = unchecked?.requests ?? [];
    const form = Object.fromEntries(new URLSearchParams(String(body)));
    const counts = await load('stock', { url: `${origin}${path}`, issuer: issuer(), form });
    assert.deepEqual([counts.requests, counts.errors, counts.foreign], [120, 0, 0]);
  });
});
