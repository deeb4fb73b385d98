import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { findDebianTool } from '../kit/debian/tool.ts';
import type { Stored } from './aks/graph.ts';
import { StandIns } from './aks/stand-ins.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const script = join(root, 'docs/aks/entra-apps.sh');
const facts = [
  '--host',
  'signin.example.com',
  '--issuer',
  'https://oidc.example.com/x/',
  '--subject',
  'system:serviceaccount:onbehalf:token-broker',
];

describe('docs/aks/entra-apps.sh', () => {
  let tools: StandIns;
  let first: Awaited<ReturnType<typeof apply>>;
  before(async () => {
    tools = await StandIns.open(['az']);
    first = await apply('first', ...facts);
  });
  after(() => tools[Symbol.asyncDispose]());

  const graphOf = (name: string) => tools.tenant(name).graph;
  const stored = (name: string) => structuredClone(graphOf(name).objects);
  async function apply(name: string, ...args: string[]) {
    graphOf(name).writes = [];
    return { ...(await tools.run(script, args, name)), writes: graphOf(name).writes };
  }
  /** A tenant where the first deployment has been. */
  const afterFirst = (name: string) => {
    graphOf(name).objects = stored('first');
  };

  it('makes both app registrations and prints their ids', async () => {
    const { stdout, writes } = first;
    const objects = stored('first');
    const app = (name: string) => objects.find(({ displayName }) => displayName === name) as Stored;
    assert.equal(stdout, `export WEB_ID=${app('onbehalf-web').appId}\nexport API_ID=${app('onbehalf-api').appId}\n`);
    assert.ok(writes.length >= 9);
    const web = app('onbehalf-web').web as { redirectUris: string[]; logoutUrl: string };
    assert.deepEqual(web.redirectUris, ['https://signin.example.com/auth/callback', 'https://signin.example.com/']);
    assert.equal(web.logoutUrl, 'https://signin.example.com/auth/front-channel-logout');
    const api = app('onbehalf-api').api as { requestedAccessTokenVersion: number; knownClientApplications: string[] };
    assert.equal(api.requestedAccessTokenVersion, 2);
    assert.deepEqual(api.knownClientApplications, [app('onbehalf-web').appId]);
    assert.equal(objects.filter(({ kind }) => kind === 'servicePrincipals').length, 2);
    const trusted = objects.filter(({ kind }) => kind === 'federatedIdentityCredentials');
    assert.deepEqual(
      trusted.map(({ issuer, subject, audiences }) => [issuer, subject, audiences]),
      [1, 2].map(() => [
        'https://oidc.example.com/x/',
        'system:serviceaccount:onbehalf:token-broker',
        ['api://AzureADTokenExchange'],
      ]),
    );
    assert.doesNotMatch(JSON.stringify(objects), /passwordCredentials|keyCredentials/);
  });

  it('writes nothing when run again', async () => {
    afterFirst('again');
    const before = stored('again');
    const { writes } = await apply('again', ...facts);
    assert.deepEqual(writes, []);
    assert.deepEqual(stored('again'), before);
  });

  type App = Stored & {
    web: { redirectUris: string[]; logoutUrl: string };
    api: { oauth2PermissionScopes: { id: string; value: string }[]; preAuthorizedApplications: object[] };
    requiredResourceAccess: { resourceAppId: string; resourceAccess: { id: string }[] }[];
    optionalClaims: { idToken: { name: string }[] };
  };
  function appOf(name: string, displayName: string): App {
    return stored(name).find((object) => object.displayName === displayName) as App;
  }
  const trustOf = (name: string) =>
    stored(name)
      .filter(({ kind }) => kind === 'federatedIdentityCredentials')
      .map(({ issuer, subject }) => `${issuer} ${subject}`);
  const urisOf = (...bases: string[]) => bases.flatMap((base) => [`https://${base}/auth/callback`, `https://${base}/`]);
  /** A second deployment: another host and path, another cluster. */
  const second = facts.with(1, 'intranet.example.com/shop').with(3, 'https://oidc.example.com/y/');

  it('adds what a second deployment needs; only --prune takes away what the first one has, and a plan says both', async () => {
    afterFirst('second');
    const added = await apply('second', ...second);
    assert.equal(added.writes.length, 3, added.writes.join());
    const web = appOf('second', 'onbehalf-web');
    assert.deepEqual(web.web.redirectUris, urisOf('signin.example.com', 'intranet.example.com/shop'));
    assert.equal(web.web.logoutUrl, 'https://signin.example.com/auth/front-channel-logout');
    const trusted = ['x', 'y'].map((path) => `https://oidc.example.com/${path}/ ${facts[5]}`);
    assert.deepEqual(trustOf('second').sort(), [...trusted, ...trusted].sort());
    assert.deepEqual((await apply('second', ...facts)).writes, [], 'the first one again');

    const before = stored('second');
    const plan = await apply('second', '--plan', ...second);
    assert.match(plan.stderr, /stays without --prune: https:\/\/signin\.example\.com\//);
    assert.match(plan.stderr, /stays without --prune: trust in https:\/\/oidc\.example\.com\/x\//);
    const pruning = await apply('second', '--plan', '--prune', ...second);
    assert.match(pruning.stderr, /goes: https:\/\/signin\.example\.com\//);
    assert.equal(pruning.stderr.match(/would DELETE .*federatedIdentityCredentials/g)?.length, 2);
    assert.match(pruning.stderr, /would PATCH .*intranet\.example\.com/);
    assert.deepEqual([plan.writes, pruning.writes, stored('second')], [[], [], before]);

    await apply('second', '--prune', ...second);
    const left = appOf('second', 'onbehalf-web');
    assert.deepEqual(left.web.redirectUris, urisOf('intranet.example.com/shop'));
    assert.equal(left.web.logoutUrl, 'https://intranet.example.com/shop/auth/front-channel-logout');
    assert.deepEqual(trustOf('second'), [trusted[1], trusted[1]]);
  });

  it('takes several hosts, issuers and subjects at once, and trust that was named by hand', async () => {
    const more = ['--host', 'b.example.com', '--issuer', 'https://oidc.example.com/z/', '--subject', 'other'];
    afterFirst('several');
    await apply('several', ...facts, ...more);
    const web = appOf('several', 'onbehalf-web');
    assert.deepEqual(web.web.redirectUris, urisOf('signin.example.com', 'b.example.com'));
    assert.equal(trustOf('several').length, 4);
    const objects = stored('several');
    for (const one of objects) if (one.kind === 'federatedIdentityCredentials') one.name = 'by hand';
    graphOf('several').objects = objects;
    assert.deepEqual((await apply('several', '--prune', ...facts, ...more)).writes, []);
  });

  it('keeps permissions, scopes, claims and pre-authorized apps that were added by hand', async () => {
    afterFirst('by-hand');
    const objects = stored('by-hand') as App[];
    const [web, api] = ['onbehalf-web', 'onbehalf-api'].map(
      (name) => objects.find(({ displayName }) => displayName === name) as App,
    ) as [App, App];
    web.requiredResourceAccess.push({ resourceAppId: 'graph', resourceAccess: [{ id: 'mail' }] });
    web.requiredResourceAccess[0]?.resourceAccess.push({ id: 'another scope' });
    web.optionalClaims.idToken.push({ name: 'email' });
    api.api.oauth2PermissionScopes.push({ id: 'own', value: 'Orders.Read' });
    api.api.preAuthorizedApplications.push({ appId: 'spa', delegatedPermissionIds: ['own'] });
    graphOf('by-hand').objects = objects;
    await apply('by-hand', '--prune', ...second);
    const kept = appOf('by-hand', 'onbehalf-web');
    assert.deepEqual(kept.requiredResourceAccess, web.requiredResourceAccess);
    assert.deepEqual(kept.optionalClaims, web.optionalClaims);
    assert.deepEqual(appOf('by-hand', 'onbehalf-api').api, api.api);
  });

  it('plans without writing, and removes both', async () => {
    assert.deepEqual((await apply('plan', '--plan', ...facts)).writes, []);
    afterFirst('gone');
    assert.equal((await apply('gone', '--delete')).writes.length, 2);
    assert.deepEqual(
      stored('gone').filter(({ kind }) => kind === 'applications'),
      [],
    );
  });

  it('says which fact is missing or no host', async () => {
    const bad: [string[], RegExp][] = [
      [['--host', 'a'], /--issuer is required/],
      [['--issuer', 'a', '--subject', 'b'], /--host is required/],
      [[...facts, '--issuer', 'https://a/'], /--subject is required, one for each/],
      ...['https://a.example.com', 'A.example.com', 'a.example.com/', 'a.example.com/x?y', 'me@a'].map(
        (host): [string[], RegExp] => [facts.with(1, host), /--host takes a host/],
      ),
    ];
    for (const [args, says] of bad)
      await assert.rejects(apply('missing', ...args), ({ stderr }: { stderr: string }) => says.test(stderr));
  });
});

describe('docs/aks', () => {
  it('names only files and values that exist', async () => {
    const readme = await readFile(join(root, 'docs/aks/README.md'), 'utf8');
    for (const [, path = ''] of readme.matchAll(/(?<![\w/])((?:charts|docs|docker)\/[\w./-]+\.\w+)/g)) {
      await assert.doesNotReject(readFile(join(root, path)), path);
    }
  });

  it('and every script pass shellcheck', async () => {
    const { stdout } = await run('git', ['ls-files', '*.sh', '.ci'], { cwd: root });
    const scripts = stdout.split('\n').filter(Boolean);
    assert.ok(scripts.length >= 2);
    const wanted = { name: 'shellcheck', packages: ['shellcheck', 'libffi8', 'libgmp10'] };
    const { command, env } = await findDebianTool(wanted, '.cache');
    await run(command, scripts, { cwd: root, env: { ...process.env, ...env } });
  });
});
