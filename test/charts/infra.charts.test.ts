import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { read } from './repository.ts';

const folder = 'docs/aks';
const files = ['infra/main.bicep', 'infra/dns.bicep', 'infra/prometheus.bicep', 'alerts.bicep', 'entra-apps.bicep'];
const text = new Map(await Promise.all(files.map(async (file) => [file, await read(`${folder}/${file}`)] as const)));
const main = text.get('infra/main.bicep') ?? '';
const script = await read(`${folder}/deploy.sh`);

/** Without comments and the text of strings, whose expressions stay. */
const codeOf = (bicep: string) =>
  bicep.replace(/\/\/.*$|'(?:[^'\\]|\\.)*'/gm, (words) => (words.match(/\$\{[^}]*\}/g) ?? []).join(' '));

describe('docs/aks in Bicep', () => {
  for (const file of files) {
    it(`${file} closes what it opens, and uses every parameter, variable and resource that it names`, () => {
      const code = codeOf(text.get(file) ?? '');
      const open: string[] = [];
      for (const bracket of code.match(/[()[\]{}]/g) ?? []) {
        const opening = { ')': '(', ']': '[', '}': '{' }[bracket];
        if (!opening) open.push(bracket);
        else assert.equal(open.pop(), opening);
      }
      assert.deepEqual(open, []);
      for (const [, name = ''] of code.matchAll(/^(?:param|var) (\w+)/gm))
        assert.ok((code.match(new RegExp(`\\b${name}\\b`, 'g')) ?? []).length > 1, `${name} is not used`);
    });
  }

  it('makes what deploy.sh looks for, by the same names', () => {
    const identities = [...script.matchAll(/^ +make_identity (\S+) (\S+)$/gm)];
    assert.equal(identities.length, 4);
    for (const [, identity, account] of identities) {
      assert.ok(main.includes(`name: '${identity}'`), identity);
      assert.ok(main.includes(`'${account}'`), account);
    }
    const named = [...script.matchAll(/--(?:database-name|access-policy-assignment-name|access-policy-name) (\w+)/g)];
    assert.ok(named.length >= 4);
    for (const [, name] of named) assert.match(main, new RegExp(`(name|accessPolicyName): '${name}'`));
    for (const name of ['aksName', 'acrName', 'redisName', 'vaultName'])
      assert.match(main, new RegExp(`name: ${name}\\n`));
  });

  it('says of Redis what deploy.sh says', () => {
    const flag = (name: string) => new RegExp(`--${name} (\\S+)`).exec(script)?.[1] ?? '';
    for (const [name, property] of Object.entries({
      port: 'port',
      'client-protocol': 'clientProtocol',
      'clustering-policy': 'clusteringPolicy',
      'eviction-policy': 'evictionPolicy',
      'access-keys-authentication': 'accessKeysAuthentication',
      'public-network-access': 'publicNetworkAccess',
    }))
      assert.match(main, new RegExp(`${property}: '?${flag(name)}\\b`), property);
  });

  it('asks for Cilium, workload identity, the issuer and the gateway, and for no NGINX controller', () => {
    for (const words of [
      /networkDataplane: 'cilium'/,
      /workloadIdentity: \{ enabled: true \}/,
      /oidcIssuerProfile: \{ enabled: true \}/,
      /defaultIngressControllerType: 'None'/,
      /appRoutingIstio: \{ mode: 'Enabled' \}/,
      /enableRbacAuthorization: true/,
    ])
      assert.match(main, words);
  });

  it('knows the extension of Microsoft Graph by the version that bicepconfig.json gives', async () => {
    const { extensions } = JSON.parse(await read(`${folder}/bicepconfig.json`));
    const [, name = ''] = /^extension (\w+)$/m.exec(text.get('entra-apps.bicep') ?? '') ?? [];
    assert.match(extensions[name], /^br:mcr\.microsoft\.com\/bicep\/extensions\/microsoftgraph\/v1\.0:\d+\.\d+\.\d+$/);
  });

  it('has the modules that it names', () => {
    const modules = [...main.matchAll(/^module \w+ '([^']+)'/gm)].map(([, file]) => `infra/${file}`);
    assert.deepEqual(modules, ['infra/dns.bicep', 'infra/prometheus.bicep']);
    for (const file of modules) assert.ok(text.has(file), file);
  });
});
