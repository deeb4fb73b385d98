import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../kit/ports.ts';
import { accept, pick } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { type Behind, gatewayNames, openGateway } from './gateways.ts';

const opened = new AsyncDisposableStack();
let system: System;
let behind: Behind;
let cookie = '';

/** An app that shows the headers that reached it, lines as they came. */
const app = createServer(({ url, rawHeaders }, res) => {
  const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : []));
  res.end([String(url), ...lines].join('\n'));
});

before(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'onbehalf-gateways-'));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  opened.defer(() => {
    app.closeAllConnections();
    app.close();
  });
  const entries = {
    shop: { pass: 'token', api: 'downstream-api', identityHeaders: true },
    open: { require: 'none', identityHeaders: true },
    front: {
      path: '/front',
      url: `http://127.0.0.1:${(app.address() as AddressInfo).port}`,
      pass: 'token',
      api: 'downstream-api',
    },
  };
  await writeFile(join(dir, 'upstreams.json'), JSON.stringify(entries));
  const port = await freePort();
  const web = { UPSTREAMS_FILE: join(dir, 'upstreams.json'), VERIFY_PORT: `${port}`, TRUSTED_PROXIES: 'loopback' };
  system = opened.use(await openSystem({ frontend: true, name: 'gateways', env: { web } }));
  cookie = await cookieOfAlice();
  behind = {
    app: `http://127.0.0.1:${(app.address() as AddressInfo).port}`,
    frontend: system.web.replace('localhost', '127.0.0.1'),
    verify: `http://127.0.0.1:${port}`,
  };
});
after(() => opened.disposeAsync());

/** Signed in, with consent to the API of the token. */
async function cookieOfAlice(): Promise<string> {
  const visitor = system.visitor();
  await visitor.open(`${system.web}/front`);
  await pick(visitor, system, 'alice');
  await accept(visitor, system);
  await accept(visitor, system);
  return visitor.jar.getCookieString(system.web);
}

const forged = { authorization: 'Bearer forged', 'x-auth-subject': 'mallory', 'X-AUTH-Name': 'Mallory' };

/** What the app saw, by name as CGI folds it; what came twice is there twice. */
function seenIn(body: string): Record<string, string> {
  const [path = '', ...lines] = body.split('\n');
  const seen: Record<string, string> = { path };
  for (const line of lines) {
    const at = line.indexOf(':');
    const name = line.slice(0, at).toLowerCase().replaceAll('_', '-');
    seen[name] = (seen[name] ?? '') + line.slice(at + 1).trim();
  }
  return seen;
}

for (const name of gatewayNames) {
  describe(name, () => {
    // Traefik lets names with underscores pass: docs/front.md says what an app does that reads them alike.
    const folded: Record<string, string> = name === 'traefik' ? {} : { X_Auth_Subject: 'mallory' };

    it('lets a person pass with a token and who they are, and nobody else, by what docs/front.md says', async () => {
      await using gateway = await openGateway(name, system.logDir, behind);
      const page = { ...forged, ...folded, accept: 'text/html', 'sec-fetch-dest': 'document' };
      const ask = (path: string, headers: Record<string, string>) =>
        fetch(`${gateway.origin}${path}`, { headers, redirect: 'manual' });
      const stranger = await ask('/a?b=1&c=2', page);
      const signIn = `${system.web}/sign-in?return_to=%2Fa%3Fb%3D1%26c%3D2`;
      assert.deepEqual([stranger.status, stranger.headers.get('location')], [302, signIn]);
      const script = await ask('/a', { ...forged, accept: '*/*' });
      assert.equal(script.status, 401);
      const person = await ask('/a?b=1', { ...page, cookie: `own=1; ${cookie}` });
      assert.equal(person.status, 200);
      assert.equal(person.headers.get('authorization'), null);
      const seen = seenIn(await person.text());
      assert.match(seen.authorization ?? '', /^Bearer ey[\w-]+\.[\w-]+\.[\w-]+$/);
      assert.deepEqual(
        [seen.path, seen['x-auth-name'], seen['x-auth-username'], seen.cookie],
        ['/a?b=1', 'Alice Ahrens', 'alice@contoso.test', 'own=1'],
      );
      assert.doesNotMatch(seen['x-auth-subject'] ?? '', /mallory/);
    });

    it('writes over what a stranger says of who they are, where everybody may pass', async () => {
      await using gateway = await openGateway(name, system.logDir, behind, 'open');
      const response = await fetch(`${gateway.origin}/a`, { headers: { ...forged, ...folded } });
      const seen = seenIn(await response.text());
      assert.deepEqual(
        [seen.path, seen.authorization ?? '', seen['x-auth-subject'] ?? '', seen['x-auth-name'] ?? ''],
        ['/a', '', '', ''],
      );
    });
  });
}
