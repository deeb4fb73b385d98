import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { helm } from './helm.ts';
import { copyCharts, namespace, scenarios } from './render.ts';

const all = await scenarios();

describe('what helm says after an install', () => {
  let charts: string;
  before(async () => {
    charts = await copyCharts();
  });

  async function notes(name: string): Promise<string> {
    const { chart, files, release } = all.find((scenario) => scenario.name === name) ?? all[0] ?? assert.fail();
    const values = files.flatMap((file) => ['-f', join(charts, chart, file)]);
    const output = await helm([
      'install',
      release,
      join(charts, chart),
      '-n',
      namespace,
      '--dry-run=client',
      ...values,
    ]);
    return output.slice(output.indexOf('NOTES:'));
  }

  for (const name of ['onbehalf/facts', 'web-frontend/alone', 'web-frontend/kind']) {
    it(`of ${name} names the addresses to register`, async () => {
      const origin = name === 'web-frontend/kind' ? 'http://localhost:3000' : 'https://signin.example.com';
      for (const path of ['/auth/callback', '/', '/auth/front-channel-logout']) {
        assert.match(await notes(name), new RegExp(`${origin}${path}$`, 'm'));
      }
    });
  }

  it('names whom Entra must trust, if anybody', async () => {
    for (const [name, account] of [
      ['onbehalf/facts', 'onbehalf-token-broker'],
      ['token-broker/alone', 'token-broker'],
    ] as const) {
      assert.match(await notes(name), new RegExp(`subject +system:serviceaccount:onbehalf:${account}$`, 'm'), name);
      assert.match(await notes(name), /issuer +https:\/\/oidc\.example\.com\/issuer\/$/m, name);
    }
    assert.doesNotMatch(await notes('onbehalf/secret'), /subject +system/);
  });

  it('leaves no space at the end of a line, and says that enforcement of policies cannot be seen', async () => {
    for (const { name } of all) assert.doesNotMatch(await notes(name), /[ \t]$/m, name);
    assert.match(await notes('onbehalf/facts'), /whether this cluster enforces them cannot be seen from inside/);
    assert.doesNotMatch(await notes('onbehalf/no-netpol'), /cannot be seen/);
  });

  it('asks for the objects that there are', async () => {
    assert.match(await notes('onbehalf/facts'), /get pods,gateway,httproute$/m);
    assert.match(await notes('onbehalf/traefik'), /get pods,ingress$/m);
  });

  it('gives three commands for the first look', async () => {
    for (const name of ['onbehalf/facts', 'web-frontend/alone', 'token-broker/alone', 'downstream-api/alone']) {
      const commands = (await notes(name)).match(/^ +(kubectl|helm|curl) .*/gm) ?? [];
      assert.ok(commands.length >= 3, name);
    }
  });

  it('warns of secrets, no policy, plain http, a clear password, a proxy nobody named, any client, and nothing else', async () => {
    const warnings = async (name: string) => (await notes(name)).match(/^WARNING: .*/gm) ?? [];
    assert.equal((await warnings('onbehalf/secret')).filter((line) => /client secret/.test(line)).length, 2);
    assert.match((await warnings('onbehalf/no-netpol')).join(), /networkPolicy/);
    assert.match((await warnings('onbehalf/kind')).join(), /plain http/);
    // In the umbrella by the value's path there.
    assert.match((await warnings('onbehalf/kind')).join(), / token-broker\.redis\.allowPlaintext/);
    assert.match((await warnings('token-broker/kind')).join(), / redis\.allowPlaintext/);
    assert.match((await warnings('onbehalf/secret')).join(), / token-broker\.clients\.web uses/);
    assert.match((await warnings('downstream-api/alone')).join(), /any client of the tenant/);
    assert.match((await warnings('web-frontend/alone')).join(), /trustedProxies/);
    assert.deepEqual(await warnings('onbehalf/facts'), []);
  });
});
