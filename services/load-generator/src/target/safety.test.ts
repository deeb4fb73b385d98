import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { preflight, safeOrigin, Unsafe } from './safety.ts';

describe('a load test', () => {
  for (const target of [
    ...[
      'http://127.0.0.1:8080',
      'http://127.8.9.1:1',
      'http://localhost:3000',
      'http://web.localhost',
      'http://[::1]:8080',
    ],
    ...['http://token-broker:8080', 'https://token-broker.onbehalf.svc', 'http://b.onbehalf.svc.cluster.local:8080'],
    'https://load.example.org',
  ]) {
    it(`goes to ${target}`, () => assert.equal(safeOrigin(`${target}/x?y`, ['load.example.org']), target));
  }

  for (const target of [
    ...['https://example.org', 'http://10.0.0.1:8080', 'http://[2001:db8::1]', 'http://svc.example', 'ftp://localhost'],
    ...['no url', 'http://127.0.0.1.example.org', 'http://localhost.example.org', 'http://1.2.3.4'],
    ...['https://token-broker.svc.example.org', 'https://xload.example.org'],
  ]) {
    it(`does not go to ${target}`, () => assert.throws(() => safeOrigin(target, ['load.example.org']), Unsafe));
  }

  for (const host of [
    ...['login.microsoftonline.com', 'LOGIN.MicrosoftOnline.com', 'login.microsoftonline.com.', 'sts.windows.net'],
    ...['login.microsoftonline.us', 'login.partner.microsoftonline.cn', 'login.chinacloudapi.cn', 'login.windows.net'],
    ...['login.microsoftonline.de', 'graph.microsoft.com', 'graph.microsoft.us', 'dod-graph.microsoft.us'],
    ...['microsoftgraph.chinacloudapi.cn', 'contoso.b2clogin.com', 'contoso.ciamlogin.com', 'login.live.com'],
    ...['login.microsoftonline。com', 'login.microsoft.com', 'device.login.microsoftonline.com'],
  ]) {
    it(`never goes to ${host}, not even where it is allowed`, () =>
      assert.throws(() => safeOrigin(`https://${host}/common`, [host, host.toLowerCase()]), /Microsoft/));
  }

  const tokenOf = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
  for (const [name, answer] of Object.entries({
    'a foreign issuer': { access_token: tokenOf({ iss: 'https://login.microsoftonline.com/t/v2.0' }) },
    'an issuer that only begins like the emulator': {
      access_token: tokenOf({ iss: 'https://localhost:9443.evil/v2.0' }),
    },
    'an opaque token': { access_token: 'opaque' },
    'no token': { error: 'unauthorized_client' },
  })) {
    it(`sends one request and no more to ${name}`, async () => {
      await using broker = await answering(answer);
      await assert.rejects(preflight(broker.url, { grant_type: 'x' }, 'https://localhost:9443'), Unsafe);
      assert.equal(broker.requests(), 1);
    });
  }

  it('takes the token of the emulator for leave to go on', async () => {
    await using broker = await answering({ access_token: tokenOf({ iss: 'https://localhost:9443/t/v2.0' }) });
    await preflight(broker.url, {}, 'https://localhost:9443');
    assert.equal(broker.requests(), 1);
  });
});

async function answering(answer: object) {
  let requests = 0;
  const server = createServer((req, res) => {
    requests += 1;
    req.resume();
    res.end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
