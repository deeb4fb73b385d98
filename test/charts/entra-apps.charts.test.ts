import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { findDebianTool } from '../kit/debian/tool.ts';
import { copyCharts, objectsOf, render } from './render.ts';
import { faultsOf } from './validators.ts';

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
  let directory: string;
  let tools: Record<string, string>;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'az-'));
    await symlink(join(import.meta.dirname, 'az-stand-in.mjs'), join(directory, 'az'));
    const jq = await findDebianTool({ name: 'jq', packages: ['jq', 'libjq1', 'libonig5'] }, '.cache');
    const path = [directory, dirname(jq.command), process.env.PATH].join(delimiter);
    tools = { ...jq.env, PATH: path };
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const state = (name: string) => join(directory, name);
  async function apply(name: string, ...args: string[]) {
    await writeFile(`${state(name)}.writes`, '');
    const env = { ...tools, AZ_STATE: state(name), RETRY_SECONDS: '0' };
    const { stdout, stderr } = await run(script, args, { env, timeout: 60_000 });
    const writes = (await readFile(`${state(name)}.writes`, 'utf8')).split('\n').filter(Boolean);
    return { stdout, stderr, writes };
  }
  type Stored = { kind: string; displayName?: string; appId: string; [key: string]: unknown };
  const stored = async (name: string): Promise<Stored[]> => JSON.parse(await readFile(state(name), 'utf8'));

  it('makes both app registrations and prints their ids', async () => {
    const { stdout, writes } = await apply('fresh', ...facts);
    const objects = await stored('fresh');
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
    await apply('again', ...facts);
    const before = await stored('again');
    const { writes } = await apply('again', ...facts);
    assert.deepEqual(writes, []);
    assert.deepEqual(await stored('again'), before);
  });

  it('mends what differs, and nothing else', async () => {
    await apply('moved', ...facts);
    const { writes } = await apply('moved', ...facts.with(1, 'other.example.com'));
    assert.equal(writes.length, 1);
    const issuer = await apply('moved', ...facts.with(1, 'other.example.com').with(3, 'https://oidc.example.com/y/'));
    assert.equal(issuer.writes.length, 2);
    assert.ok(issuer.writes.every((write) => /^PATCH .*federatedIdentityCredentials/.test(write)));
  });

  it('plans without writing, and removes both', async () => {
    assert.deepEqual((await apply('plan', '--plan', ...facts)).writes, []);
    await apply('gone', ...facts);
    assert.equal((await apply('gone', '--delete')).writes.length, 2);
    assert.deepEqual(
      (await stored('gone')).filter(({ kind }) => kind === 'applications'),
      [],
    );
  });

  it('says which fact is missing', async () => {
    await assert.rejects(apply('missing', '--host', 'a'), ({ stderr }: { stderr: string }) =>
      stderr.includes('--issuer is required'),
    );
  });
});

describe('docs/aks', () => {
  it('has values that render when the variables of deploy.sh stand in them', async () => {
    const sources = ['docs/aks/env.example', 'docs/aks/deploy.sh'].map((path) => readFile(join(root, path), 'utf8'));
    const script = (await Promise.all(sources)).join('\n');
    const guid = '11111111-1111-4111-8111-111111111111';
    const known: Record<string, string> = {
      HOST: 'signin.example.com',
      TENANT: guid,
      WEB_ID: guid,
      API_ID: guid,
      RID: guid,
      GID: guid,
      REG: 'onbehalf.azurecr.io',
      TAG: '0000000',
      KV: 'onbehalf',
      ISSUER: 'https://oidc.example.com/x/',
      RHOST: 'onbehalf.swedencentral.redis.azure.net',
      ZID: '/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-dns/providers/Microsoft.Network/dnsZones/example.com',
    };
    const text = (await readFile(join(root, 'docs/aks/values.yaml'), 'utf8')).replaceAll(
      /\$(\w+)/g,
      (_, name: string) => {
        assert.ok(known[name], name);
        if (!/^(WEB|API)_ID$/.test(name)) assert.match(script, new RegExp(`\\b${name}=`), `${name} is set nowhere`);
        return known[name] as string;
      },
    );
    const charts = await copyCharts();
    await writeFile(join(charts, 'onbehalf/my-values.yaml'), text);
    const files = ['ci/aks-automatic-values.yaml', 'my-values.yaml'];
    const rendered = await render(charts, { chart: 'onbehalf', name: 'guide', release: 'onbehalf', files });
    assert.deepEqual(objectsOf(rendered).flatMap(faultsOf), []);
    assert.match(rendered, /kind: ExternalDNS/);
    assert.match(rendered, /image: "onbehalf\.azurecr\.io\/token-broker:0000000"/);
    assert.doesNotMatch(rendered, /\$[A-Z]/);
  });

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
