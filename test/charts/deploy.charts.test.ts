import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { findDebianTool } from '../kit/debian/tool.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const script = join(root, 'docs/aks/deploy.sh');
const tools = ['az', 'kubectl', 'kubelogin', 'helm', 'docker'];

type Ended = { calls: string[]; writes: string[]; stderr: string; failed: boolean };

describe('docs/aks/deploy.sh', () => {
  let directory: string;
  let path: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'deploy-'));
    for (const tool of tools) await symlink(join(import.meta.dirname, 'aks/tools-stand-in.mjs'), join(directory, tool));
    // What makes the app registrations has a test of its own.
    await writeFile(join(directory, 'signin.pfx'), 'x');
    const jq = await findDebianTool({ name: 'jq', packages: ['jq', 'libjq1', 'libonig5'] }, '.cache');
    path = [directory, dirname(jq.command), process.env.PATH].join(delimiter);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function deploy(
    state: string,
    facts: Record<string, string> = {},
    { args = [] as string[], fail = '' } = {},
  ): Promise<Ended> {
    const example = await readFile(join(root, 'docs/aks/env.example'), 'utf8');
    const env = { CERTIFICATE: join(directory, 'signin.pfx'), ...facts };
    const lines = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const file = join(directory, `${state}.env`);
    await writeFile(file, [example, ...lines].join('\n'));
    const TOOLS_STATE = join(directory, state);
    await writeFile(`${TOOLS_STATE}.calls`, '');
    const environment = {
      ...process.env,
      PATH: path,
      TOOLS_STATE,
      TOOLS_FAIL: fail,
      RETRY_SECONDS: '0',
      AZ_STATE: `${TOOLS_STATE}.graph`,
    };
    const ended = await run(script, ['--env', file, ...args], { env: environment, timeout: 60_000 }).then(
      ({ stderr }) => ({ stderr, failed: false }),
      ({ stderr }: { stderr: string }) => ({ stderr, failed: true }),
    );
    const calls = (await readFile(`${TOOLS_STATE}.calls`, 'utf8')).split('\n').filter(Boolean);
    return { ...ended, calls, writes: calls.filter((call) => makes.test(call)) };
  }

  /** Calls that make an object anew: what a second run must not do. */
  const makes = /^az (?!group|role)\S.* (create|import|set) |^kubectl .*create /;

  const automatic = 'automatic';
  const vault = { CLUSTER: 'standard', PRIVATE: 'true', KEYS: 'keyvault', MONITORING: 'false' };
  const first = new Map<string, Ended>();
  before(async () => {
    first.set(automatic, await deploy(automatic));
    first.set('vault', await deploy('vault', vault));
  });
  const callsOf = (state: string) => first.get(state)?.calls ?? [];

  for (const [state, facts] of [
    [automatic, {}],
    ['vault', vault],
  ] as const) {
    it(`brings everything (${JSON.stringify(facts)}), and makes nothing anew when run again`, async () => {
      const { failed, stderr, calls, writes } = first.get(state) ?? assert.fail();
      assert.equal(failed, false, stderr);
      assert.match(calls.at(-1) ?? '', /^helm upgrade --install onbehalf /);
      assert.ok(writes.length >= 10, String(writes.length));
      const second = await deploy(state, facts);
      assert.equal(second.failed, false, second.stderr);
      assert.deepEqual(second.writes, []);
    });
  }

  it('plans without a writing call', async () => {
    const { failed, calls, stderr } = await deploy('plan', {}, { args: ['--plan'] });
    assert.equal(failed, false, stderr);
    const reads = / (show|get|version) |^az (account|ad signed-in-user) |^az rest --method GET/;
    assert.deepEqual(
      calls.filter((call) => !reads.test(call)),
      [],
    );
    for (const words of ['would: az aks create', 'would: az redisenterprise create', 'would: helm upgrade --install']) {
      assert.ok(stderr.includes(words), words);
    }
  });

  it('shows every call', () => {
    const lines = first.get(automatic)?.stderr.split('\n') ?? [];
    const shown = lines.filter((line) => /^[+?] /.test(line)).map((line) => line.slice(2));
    for (const call of callsOf(automatic).filter((one) => !one.startsWith('az rest'))) {
      assert.ok(
        shown.some((line) => call.startsWith(line)),
        call,
      );
    }
  });

  it('stops at the first call that fails, wherever that is, and goes on there when run again', async () => {
    for (const step of ['az aks create', 'az redisenterprise database create', 'helm upgrade']) {
      const broken = await deploy('broken', {}, { fail: `^${step}` });
      assert.ok(broken.failed, step);
      assert.ok(broken.calls.at(-1)?.startsWith(step), `${step}: ${broken.calls.at(-1)}`);
    }
    const last = await deploy('broken');
    assert.deepEqual([last.failed, last.writes], [false, []], last.stderr);
  });

  it('stops where it cannot read what there is, rather than take it for absent', async () => {
    const broken = await deploy('unread', {}, { fail: '^az aks show' });
    assert.ok(broken.failed);
    assert.ok(!broken.calls.some((call) => call.startsWith('az aks create')));
  });

  it('asks for monitoring before the charts bring their PodMonitors, and for no NGINX controller', () => {
    const calls = callsOf(automatic);
    const at = (words: string) => calls.findIndex((call) => call.includes(words));
    assert.ok(at('--enable-azure-monitor-metrics') > 0);
    assert.ok(at('--enable-azure-monitor-metrics') < at('helm upgrade'));
    assert.match(calls[at('approuting enable')] ?? '', /--nginx None/);
    for (const call of calls.filter((one) => one.startsWith('az provider register'))) assert.match(call, / --wait$/);
  });

  it('puts no key into an argument', () => {
    assert.doesNotMatch([...callsOf(automatic), ...callsOf('vault')].join('\n'), /[A-Za-z0-9+/]{43}=/);
  });

  it('names the fact that is missing or wrong, and calls nobody', async () => {
    for (const [facts, words] of [
      [{ HOST: '' }, 'HOST is not set'],
      [{ CERTIFICATE: '/none.pfx' }, 'there is no file /none.pfx'],
      [{ CLUSTER: 'kind' }, 'CLUSTER must be one of: automatic standard'],
      [{ PRIVATE: 'yes' }, 'PRIVATE must be one of'],
      [{ KEYS: 'files' }, 'KEYS must be one of'],
      [{ REDIS: 'on-behalf' }, 'REDIS may have letters and digits only'],
    ] as const) {
      const { failed, stderr, calls } = await deploy('wrong', facts);
      assert.ok(failed && stderr.includes(words), stderr);
      assert.deepEqual(calls, []);
    }
  });
});
