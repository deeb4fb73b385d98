import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type Child, startChild } from '../kit/child.ts';
import { accept, pick, session } from '../kit/steps.ts';
import { webEnvironment } from '../kit/system/environments.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import type { Visitor } from '../kit/visitor.ts';
import { blockOf } from './blocks.ts';
import { type App, installApp, installNode, oldestNode } from './install.ts';

const run = promisify(execFile);
const expressOf = { 4: 'express@4', 5: 'express@5', none: undefined } as const;
type Kind = keyof typeof expressOf;

/** The page's programs, for the API that the system has; with a second page, which asks for step-up. */
const programs = {
  async express() {
    const page = await blockOf(/import \{ onbehalf/);
    const payroll = `app.get('/payroll', requireSignIn(), (req, res, next) =>
      req.fetch('downstream-api', '/payroll').then(async (r) => res.status(r.status).send(await r.text())).catch(next));
      app.use(handleFaults);`;
    return page
      .replace('{ onbehalf', '{ handleFaults, onbehalf')
      .replace("'orders', '/list'", "'downstream-api', '/whoami'")
      .replace('app.listen', (last) => `${payroll}\n${last}`);
  },
  async middleware() {
    return `import { createServer } from 'node:http';
      import { handleFaults, onbehalf, requireSignIn, requestOf } from '@onbehalf/node/web';
      const signIn = onbehalf();
      createServer((req, res) => signIn(req, res, (error) => requireSignIn(async () => {
        const path = req.url === '/payroll' ? '/payroll' : '/whoami';
        res.end(await (await requestOf(req).fetch('downstream-api', path)).text());
      })(req, res, (error) => handleFaults(error, req, res, console.error)))).listen(process.env.PORT);`;
  },
  async fetch() {
    const page = await blockOf(/createWeb/);
    const respond = page
      .replace(
        "'orders', '/list'",
        "'downstream-api', new URL(request.url).pathname === '/payroll' ? '/payroll' : '/whoami'",
      )
      .replace(/`Hello .*`/, 'await orders.text()');
    return `import { createServer } from 'node:http';
      import { Readable } from 'node:stream';
      ${respond}
      createServer(async (req, res) => {
        const body = /GET|HEAD/.test(req.method) ? {} : { body: Readable.toWeb(req), duplex: 'half' };
        const response = await respond(new Request(new URL(req.url, process.env.PUBLIC_BASE_URL), { method: req.method, headers: req.headers, ...body }));
        for (const [name, value] of response.headers) res.appendHeader(name, value);
        res.writeHead(response.status).end(Buffer.from(await response.arrayBuffer()));
      }).listen(process.env.PORT);`;
  },
};

const rows: [what: string, program: keyof typeof programs, kind: Kind, age: string][] = [
  ["the page's lines of Express 4", 'express', 4, 'the oldest'],
  ["the page's lines of Express 5", 'express', 5, 'the oldest'],
  ["the page's lines of Express 4", 'express', 4, 'the newest'],
  ["the page's lines of Express 5", 'express', 5, 'the newest'],
  ['a plain server without Express', 'middleware', 'none', 'the oldest'],
  ["the page's lines of Fetch, without Express", 'fetch', 'none', 'the oldest'],
  ["the page's lines of Fetch, without Express", 'fetch', 'none', 'the newest'],
];

describe('@onbehalf/node/web, installed', () => {
  const opened = new AsyncDisposableStack();
  let system: System;
  let env: Record<string, string>;
  const nodes = new Map([['the newest', process.execPath]]);
  const apps = new Map<Kind, App>();

  before(async () => {
    const oldest = installNode(oldestNode);
    system = opened.use(await openSystem({ name: 'packages-web', frontend: true }));
    // The apps stand where the sample stood: what is registered for it is theirs.
    await system.program('web-frontend')[Symbol.asyncDispose]();
    env = { ...(await webEnvironment(system)), PORT: new URL(system.web).port };
    nodes.set('the oldest', opened.use(await oldest).path);
    for (const [kind, express] of Object.entries(expressOf)) {
      const packages = ['openid-client@6', ...(express ? [express] : [])];
      apps.set((kind === 'none' ? kind : Number(kind)) as Kind, opened.use(await installApp(packages)));
    }
  });
  after(() => opened.disposeAsync());

  const appOf = (kind: Kind) => apps.get(kind) ?? assert.fail(`no app ${kind}`);

  async function start(name: string, node: string, app: App, program: string): Promise<Child> {
    return await startChild({
      ...{ name, command: node, args: [await app.write('web.js', program)], env },
      logFile: join(system.logDir, `${name.replaceAll(/\W+/g, '-')}.log`),
      ready: async () => (await fetch(`${system.web}/session`, { headers: { 'x-csrf': '1' } })).status === 401,
    });
  }

  /** Everything a person does with an app. */
  async function isUsed(visitor: Visitor): Promise<void> {
    await visitor.open(`${system.web}/?page=2`);
    await pick(visitor, system, 'alice');
    // The sign-in itself, then what the API needs.
    await accept(visitor, system);
    await accept(visitor, system);
    assert.equal(visitor.page.url.href, `${system.web}/?page=2`);
    assert.equal(JSON.parse(visitor.page.body).username, 'alice@contoso.test');
    const before = visitor.answers.length;
    await visitor.open(`${system.web}/`);
    assert.equal(visitor.answers.length, before + 1, 'asked for nothing twice');
    await visitor.open(`${system.web}/payroll`);
    await accept(visitor, system, 'Approve');
    assert.deepEqual([visitor.page.url.href, visitor.page.status], [`${system.web}/payroll`, 200], visitor.words);
    const script = { headers: { 'x-csrf': '1' } };
    const own = await visitor.fetch('/api/downstream-api/whoami', script);
    assert.equal(JSON.parse(own.body).username, 'alice@contoso.test');
    assert.equal((await session(visitor)).status, 200);
    const out = JSON.parse((await visitor.fetch('/sign-out', { method: 'POST', ...script })).body);
    assert.deepEqual([out.signed_out, out.confirmed, out.ended], [true, true, 1]);
    const { status, body } = await visitor.fetch('/', { headers: { accept: '*/*' } });
    assert.deepEqual([status, JSON.parse(body).sign_in], [401, '/sign-in']);
  }

  for (const [what, program, kind, age] of rows) {
    it(`signs in, consents, steps up and resumes, calls and signs out by ${what} on ${age} Node`, async () => {
      await system.admin('DELETE', '/consents?user=alice@contoso.test&client=web');
      const name = `${program} ${kind} ${age}`;
      await using child = await start(name, nodes.get(age) ?? '', appOf(kind), await programs[program]());
      await isUsed(system.visitor());
      assert.doesNotMatch(await readFile(child.logFile, 'utf8'), /Warning|Error|onbehalf:/);
    });
  }

  it('brings six packages beside what the app chose', async () => {
    const names = await appOf('none').packages();
    const all = ['@onbehalf/node', '@opentelemetry/api', 'jose', 'oauth4webapi', 'openid-client', 'zod'];
    assert.deepEqual(names.sort(), all);
  });

  it('says every option that is missing, before it listens', async () => {
    const file = await appOf(5).write(
      'none.js',
      `import { onbehalf } from '@onbehalf/node/web'; onbehalf({ sameSite: 'none' });`,
    );
    const { stderr } = await run(process.execPath, [file], { env: {} }).then(
      () => assert.fail('it started'),
      (error) => error,
    );
    for (const word of ['tenant', 'clientId', 'publicBaseUrl', 'broker.url', 'broker.assertion', 'keys'])
      assert.match(stderr, new RegExp(`${word.replace('.', '\\.')} \\([A-Z_]+\\): `));
    assert.match(stderr, /ConfigError: [\s\S]*sameSite \(COOKIE_SAME_SITE\): must be lax or strict/);
  });

  for (const major of [4, 5] as const) {
    it(`has types that a strict program with Express ${major} accepts, without skipping those of libraries`, async () => {
      await using app = await installApp([
        'openid-client@6',
        `express@${major}`,
        `@types/express@${major}`,
        '@types/node@20',
      ]);
      await app.write(
        'app.ts',
        `import express from 'express';
         import { createWeb, handleFaults, onbehalf, requireSignIn, type WebUser } from '@onbehalf/node/web';
         const app = express();
         app.use(onbehalf({ tenant: 'a', broker: { url: 'http://b' }, apis: { orders: { url: 'http://c', scopes: ['x/y'] } } }));
         app.get('/', (req, res) => {
           const user: WebUser | undefined = req.session.user;
           // @ts-expect-error: there may be nobody
           res.send(req.session.user.name);
           res.send(user?.name);
         });
         app.get('/orders', requireSignIn(async (req, res) => void res.send(await (await req.fetch('orders', '/list')).text())));
         app.get('/token', requireSignIn(), (req, res, next) => {
           req.token(['x/y']).then((token: string) => res.send(token)).catch(next);
         });
         app.use(handleFaults);
         // @ts-expect-error: no such option
         onbehalf({ tenants: [] });
         export const response: Response | undefined = await createWeb().handle(new Request('http://a/'));`,
      );
      const args = [
        '--noEmit',
        '--strict',
        '--target',
        'es2022',
        '--module',
        'nodenext',
        '--esModuleInterop',
        'app.ts',
      ];
      await run(resolve('node_modules/.bin/tsc'), args, { cwd: app.folder }).catch((error) =>
        assert.fail(error.stdout),
      );
    });
  }
});
