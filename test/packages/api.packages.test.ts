import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type Child, startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { blockOf } from './blocks.ts';
import { type App, installApp, installNode, oldestNode } from './install.ts';

describe('@onbehalf/node/api, installed', () => {
  const opened = new AsyncDisposableStack();
  let system: System;
  let token: string;
  const nodes = new Map([['the newest', process.execPath]]);
  const apps = new Map<number, App>();

  before(async () => {
    const oldest = installNode(oldestNode);
    system = opened.use(await openSystem({ name: 'packages-api' }));
    const { body } = await system.exchange(0, await system.signIn('alice'));
    token = String(body.access_token);
    nodes.set('the oldest', opened.use(await oldest).path);
    for (const major of [4, 5]) apps.set(major, opened.use(await installApp([`express@${major}`])));
  });
  after(() => opened.disposeAsync());

  /** Runs a program of an app with what it must know; it must name `PORT`. */
  async function start(name: string, node: string, app: App, program: string): Promise<Child & { url: string }> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const { emulator, stateDir } = system;
    const child = await startChild({
      ...{ name, command: node, args: [await app.write('api.js', program)] },
      logFile: join(system.logDir, `${name.replaceAll(/\W+/g, '-')}.log`),
      env: {
        ...{ PORT: `${port}`, ENTRA_TENANT_ID: emulator.ids.tenants.contoso, ENTRA_AUDIENCE: emulator.ids.apps.api },
        ...{ ENTRA_AUTHORITY_HOST: emulator.origin, NODE_EXTRA_CA_CERTS: join(stateDir, 'emulator', 'ca.pem') },
      },
      ready: async () => (await fetch(`${url}/hello`)).status > 0,
    });
    return Object.assign(child, { url });
  }

  async function greets({ url, logFile }: Child & { url: string }) {
    const response = await fetch(`${url}/hello`, { headers: { Authorization: `Bearer ${token}` } });
    assert.deepEqual([response.status, await response.json()], [200, { hello: 'Alice Ahrens' }]);
    const refused = await fetch(`${url}/hello`);
    assert.deepEqual([refused.status, refused.headers.get('www-authenticate')], [401, 'Bearer']);
    const forged = await fetch(`${url}/hello`, { headers: { Authorization: `Bearer ${token.slice(0, -9)}AAAAAAAAA` } });
    assert.deepEqual([forged.status, ((await forged.json()) as { error: string }).error], [401, 'invalid_token']);
    assert.doesNotMatch(await readFile(logFile, 'utf8'), /Warning|Error/);
  }

  for (const age of ['the oldest', 'the newest']) {
    for (const major of [4, 5]) {
      it(`protects the page's six lines of Express ${major} on ${age} Node`, async () => {
        const program = await blockOf(/import \{ bearer/);
        await using child = await start(
          `express ${major} ${age}`,
          nodes.get(age) ?? '',
          apps.get(major) as App,
          program,
        );
        await greets(child);
      });
    }
    it(`protects a plain server on ${age} Node`, async () => {
      const program = `import { createServer } from 'node:http';
        import { ProtectedApi } from '@onbehalf/node/api';
        const { ENTRA_TENANT_ID: tenant, ENTRA_AUDIENCE: audience, ENTRA_AUTHORITY_HOST: authorityHost, PORT } = process.env;
        const api = new ProtectedApi({ tenant, audience, authorityHost });
        createServer(async (req, res) => {
          const { user, response = Response.json({ hello: user?.name }) } = await api.verify(req, { scope: 'access_as_user' });
          res.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text());
        }).listen(PORT);`;
      await using child = await start(`plain ${age}`, nodes.get(age) ?? '', apps.get(5) as App, program);
      await greets(child);
    });
  }

  it('brings at most five packages', async () => {
    await using app = await installApp([]);
    const names = await app.packages();
    assert.deepEqual(names.sort(), ['@onbehalf/node', '@opentelemetry/api', 'jose', 'zod']);
    assert.ok(names.length <= 5);
  });

  it('has types that a strict program accepts, without skipping those of libraries', async () => {
    await using app = await installApp(['express@5', '@types/express@5', '@types/node@20']);
    await app.write(
      'app.ts',
      `import express from 'express';
       import { bearer, onBehalfOf, ProtectedApi, requireScope, userOf } from '@onbehalf/node/api';
       import { BrokerClient } from '@onbehalf/node/broker';
       const api = new ProtectedApi({ tenant: 'a', audience: 'b', resource: 'https://api.test' });
       const app = express();
       app.use(bearer(api));
       app.get('/', requireScope('x'), async (req, res) => {
         const name: string | undefined = userOf(req).name;
         res.json({ name, token: await onBehalfOf(req, 'https://graph.microsoft.com/User.Read') });
       });
       export const result = await new BrokerClient({ url: 'http://b', assertion: 'f' }).appToken({ scopes: ['x'] });
       export const text: string = result.kind === 'token' ? result.accessToken : result.kind;
       // @ts-expect-error: no such option
       bearer({ tenants: [] });`,
    );
    const args = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--esModuleInterop', 'app.ts'];
    await promisify(execFile)(resolve('node_modules/.bin/tsc'), args, { cwd: app.folder }).catch((error) =>
      assert.fail(error.stdout),
    );
  });
});
