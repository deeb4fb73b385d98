import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { StandIns } from './aks/stand-ins.ts';

const root = join(import.meta.dirname, '../..');
const script = join(root, 'docs/aks/deploy.sh');

type Ended = { calls: string[]; writes: string[]; stderr: string; failed: boolean };

describe('docs/aks/deploy.sh', () => {
  let tools: StandIns;
  before(async () => {
    tools = await StandIns.open(['az', 'kubectl', 'kubelogin', 'helm', 'docker']);
    // What makes the app registrations has a test of its own.
    await writeFile(join(tools.directory, 'signin.pfx'), 'x');
  });
  after(() => tools[Symbol.asyncDispose]());

  async function deploy(
    name: string,
    facts: Record<string, string> = {},
    { args = [] as string[], fail = undefined as RegExp | undefined } = {},
  ): Promise<Ended> {
    const example = await readFile(join(root, 'docs/aks/env.example'), 'utf8');
    const env = { CERTIFICATE: join(tools.directory, 'signin.pfx'), ...facts };
    const lines = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const file = join(tools.directory, `${name}.env`);
    await writeFile(file, [example, ...lines].join('\n'));
    const tenant = Object.assign(tools.tenant(name), { fail, calls: [] });
    const ended = await tools.run(script, ['--env', file, ...args], name).then(
      ({ stderr }) => ({ stderr, failed: false }),
      ({ stderr }: { stderr: string }) => ({ stderr, failed: true }),
    );
    const { calls } = tenant;
    return { ...ended, calls, writes: calls.filter((call) => makes.test(call)) };
  }

  /** Calls that make an object anew: what a second run must not do. */
  const makes = /^az (?!group|role)\S.* (create|import|set) |^kubectl .*create /;

  const automatic = 'automatic';
  const MORE_HOSTS = "'b.example.com c.example.com/shop'";
  const vault = { CLUSTER: 'standard', PRIVATE: 'true', KEYS: 'keyvault', MONITORING: 'false', MORE_HOSTS };
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
      // It would make a second workspace where another one is in use.
      assert.doesNotMatch(second.calls.join('\n'), /--enable-azure-monitor-metrics/);
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
      const broken = await deploy('broken', {}, { fail: new RegExp(`^${step}`) });
      assert.ok(broken.failed, step);
      assert.ok(broken.calls.at(-1)?.startsWith(step), `${step}: ${broken.calls.at(-1)}`);
    }
    const last = await deploy('broken');
    assert.deepEqual([last.failed, last.writes], [false, []], last.stderr);
  });

  it('stops where it cannot read what there is, rather than take it for absent', async () => {
    const broken = await deploy('unread', {}, { fail: /^az aks show/ });
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

  it('leaves the certificate to cert-manager, and gives the charts a values file of the deployer last', async () => {
    const values = join(root, 'docs/aks/private-values.yaml');
    const facts = { CERT_MANAGER_ISSUER: 'letsencrypt', CERTIFICATE: '', VALUES: values };
    const { failed, stderr, calls } = await deploy('cert-manager', facts);
    assert.equal(failed, false, stderr);
    assert.ok(!calls.some((call) => call.startsWith('az keyvault certificate')));
    assert.match(calls.at(-1) ?? '', /cert-manager-values\.yaml -f \S+\/private-values\.yaml --wait/);
  });

  it('registers and routes every host', () => {
    const patch = callsOf('vault').find(
      (call) => call.startsWith('az rest --method PATCH') && call.includes('logoutUrl'),
    );
    for (const base of ['signin.example.com', 'b.example.com', 'c.example.com/shop'])
      assert.ok(patch?.includes(`"https://${base}/auth/callback"`), base);
    assert.match(callsOf('vault').at(-1) ?? '', / -f \S+\/locations-values\.yaml/);
    assert.doesNotMatch(callsOf(automatic).at(-1) ?? '', /locations-values/);
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
      [{ CERTIFICATE: '' }, 'CERTIFICATE is not set'],
      [{ VALUES: '/none.yaml' }, 'VALUES: there is no file /none.yaml'],
      [{ REDIS: 'on-behalf' }, 'REDIS may have letters and digits only'],
    ] as const) {
      const { failed, stderr, calls } = await deploy('wrong', facts);
      assert.ok(failed && stderr.includes(words), stderr);
      assert.deepEqual(calls, []);
    }
  });
});
