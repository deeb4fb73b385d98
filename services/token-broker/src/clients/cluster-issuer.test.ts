import assert from 'node:assert/strict';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { serve } from '@onbehalf/chassis/http/serve';
import { findReason } from '@onbehalf/node/core/reason';
import { issueCertificate } from '../credentials/certificate.fake.ts';
import { openBroker } from '../grants/broker.fake.ts';
import { clusterIssuer } from './cluster-issuer.ts';

const keySet = { keys: [{ kty: 'RSA', kid: 'k1', n: 'AQ', e: 'AQAB' }] };
const podToken = 'the-pods-own-token';

/** An issuer that tells only who shows a token, or everybody; what it was asked, and with what. */
async function openIssuer({ locked = 0, responses = {} as Record<string, unknown> } = {}) {
  const asked: [path: string, authorization: string | undefined][] = [];
  const listener: RequestListener = (req, res) => {
    asked.push([req.url ?? '', req.headers.authorization]);
    const given = { '/jwks': keySet, ...responses }[req.url ?? ''];
    const status = locked && req.headers.authorization !== `Bearer ${podToken}` ? locked : given ? 200 : 404;
    const location = typeof given === 'string' ? { Location: given } : {};
    res.writeHead(typeof given === 'string' ? 302 : status, location).end(JSON.stringify(given ?? {}));
  };
  const server = await serve(listener, { port: 0, host: '127.0.0.1', drainMs: 0 });
  const origin = `http://127.0.0.1:${server.port}`;
  return { origin, asked, responses, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const token = async () => podToken;
const reason = (work: Promise<unknown>) => work.then(() => 'keys', findReason);

describe("the cluster's issuer", () => {
  for (const status of [401, 403]) {
    it(`that responds ${status} to strangers is asked with the pod's own token`, async () => {
      await using issuer = await openIssuer({ locked: status });
      issuer.responses['/.well-known/openid-configuration'] = {
        issuer: issuer.origin,
        jwks_uri: `${issuer.origin}/jwks`,
      };
      assert.deepEqual(await clusterIssuer({ issuer: issuer.origin, token })(), keySet);
      const bearer = `Bearer ${podToken}`;
      const discovery = '/.well-known/openid-configuration';
      assert.deepEqual(issuer.asked, [
        ...[
          [discovery, undefined],
          [discovery, bearer],
        ],
        ...[
          ['/jwks', undefined],
          ['/jwks', bearer],
        ],
      ]);
      assert.deepEqual(await clusterIssuer({ issuer: 'https://x', jwksUri: `${issuer.origin}/jwks`, token })(), keySet);
    });
  }

  it('that offers keys as application/jwk-set+json alone, as an API server does, is asked for that', async () => {
    const listener: RequestListener = (req, res) => {
      const offered = req.url === '/jwks' ? 'application/jwk-set+json' : 'application/json';
      const accepted = (req.headers.accept ?? '*/*').split(/[,;]\s*/);
      const found = [offered, '*/*'].some((type) => accepted.includes(type));
      const document = req.url === '/jwks' ? keySet : { issuer: origin(), jwks_uri: `${origin()}/jwks` };
      res.writeHead(found ? 200 : 406, { 'Content-Type': offered }).end(JSON.stringify(document));
    };
    await using server = await serve(listener, { port: 0, host: '127.0.0.1', drainMs: 0 });
    const origin = () => `http://127.0.0.1:${server.port}`;
    assert.deepEqual(await clusterIssuer({ issuer: origin() })(), keySet);
    assert.deepEqual(await clusterIssuer({ issuer: 'https://x', jwksUri: `${origin()}/jwks` })(), keySet);
  });

  it('with a certificate of a private authority is believed with that authority alone', async () => {
    const [own, other] = [issueCertificate('localhost'), issueCertificate('localhost')];
    const tls = { cert: own.certificate, key: own.key };
    const listener: RequestListener = (_req, res) => void res.end(JSON.stringify(keySet));
    await using server = await serve(listener, { port: 0, host: '127.0.0.1', drainMs: 0, tls });
    const jwksUri = `https://localhost:${server.port}`;
    assert.deepEqual(await clusterIssuer({ issuer: 'https://x', jwksUri, ca: own.certificate })(), keySet);
    for (const ca of [undefined, other.certificate])
      await assert.rejects(clusterIssuer({ issuer: 'https://x', jwksUri, ca })());
  });

  it('may end with a slash', async () => {
    await using issuer = await openIssuer();
    const [url, jwks_uri] = [`${issuer.origin}/`, `${issuer.origin}/jwks`];
    issuer.responses['/.well-known/openid-configuration'] = { issuer: url, jwks_uri };
    assert.deepEqual(await clusterIssuer({ issuer: url })(), keySet);
  });

  it('that responds to strangers is not shown the token, nor is one that responds otherwise', async () => {
    await using open = await openIssuer();
    await clusterIssuer({ issuer: open.origin, jwksUri: `${open.origin}/jwks`, token })();
    await assert.rejects(clusterIssuer({ issuer: open.origin, jwksUri: `${open.origin}/none`, token })());
    assert.deepEqual(new Set(open.asked.map(([, authorization]) => authorization)), new Set([undefined]));
  });

  it('is the only one to see the token: not where its document or a redirect points', async () => {
    await using other = await openIssuer({ locked: 403 });
    await using issuer = await openIssuer();
    Object.assign(issuer.responses, {
      '/.well-known/openid-configuration': { issuer: issuer.origin, jwks_uri: `${other.origin}/jwks` },
      '/moved': `${other.origin}/jwks`,
    });
    assert.equal(await reason(clusterIssuer({ issuer: issuer.origin, token })()), 'HTTP_403');
    assert.deepEqual(other.asked, [['/jwks', undefined]]);
    const jwksUri = `${issuer.origin}/moved`;
    assert.equal(await reason(clusterIssuer({ issuer: issuer.origin, jwksUri, token })()), 'HTTP_302');
    assert.equal(other.asked.length, 1);
  });

  it('gives no keys over plain http from another host, wherever that address came from', async () => {
    await using issuer = await openIssuer();
    const away = 'http://cluster.test/jwks';
    issuer.responses['/.well-known/openid-configuration'] = { issuer: issuer.origin, jwks_uri: away };
    assert.equal(await reason(clusterIssuer({ issuer: issuer.origin })()), 'PLAIN_HTTP');
    assert.equal(await reason(clusterIssuer({ issuer: away, jwksUri: away })()), 'PLAIN_HTTP');
    assert.notEqual(await reason(clusterIssuer({ issuer: away, jwksUri: away, allowPlaintext: true })()), 'PLAIN_HTTP');
  });

  it('is asked anew where its keys are once they are not there any more', async () => {
    await using issuer = await openIssuer({ responses: { '/next': keySet } });
    const document = { issuer: issuer.origin, jwks_uri: `${issuer.origin}/gone` };
    issuer.responses['/.well-known/openid-configuration'] = document;
    const fetchKeys = clusterIssuer({ issuer: issuer.origin });
    assert.equal(await reason(fetchKeys()), 'HTTP_404');
    document.jwks_uri = `${issuer.origin}/next`;
    assert.deepEqual(await fetchKeys(), keySet);
    assert.deepEqual(await fetchKeys(), keySet);
    assert.equal(issuer.asked.filter(([path]) => path.startsWith('/.well-known')).length, 2);
  });

  it('that is not who it should be gives no keys', async () => {
    await using issuer = await openIssuer();
    const document = { issuer: 'https://another', jwks_uri: `${issuer.origin}/jwks` };
    issuer.responses['/.well-known/openid-configuration'] = document;
    assert.equal(await reason(clusterIssuer({ issuer: issuer.origin })()), 'OTHER_ISSUER');
  });

  it('is away in one line of the log, with the reason and no token, and back in another', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'onbehalf-'));
    const file = join(folder.path, 'token');
    await writeFile(file, podToken);
    await using broker = await openBroker({ CALLERS_TOKEN_FILE: file });
    const introspect = async () => (await broker.post('/oauth2/introspect', 'web', { token: 'x' })).status;
    broker.issuer.answer(403);
    // Two refused fetches, each asked again with the token.
    for (const endMs = Date.now() + 10_000; broker.issuer.fetches.length < 4; await delay(50)) {
      assert.equal(await introspect(), 503);
      assert.ok(Date.now() < endMs);
    }
    assert.ok(broker.issuer.sent.some(({ authorization }) => authorization === `Bearer ${podToken}`));
    broker.issuer.answer(200);
    for (const endMs = Date.now() + 10_000; (await introspect()) !== 200; ) {
      assert.ok(Date.now() < endMs);
      await delay(50);
    }
    const said = broker.lines.map((line) => JSON.parse(line)).filter(({ event }) => event?.startsWith('callers.'));
    assert.deepEqual(
      said.map(({ level, event, reason }) => [level, event, reason]),
      [
        ['error', 'callers.keys_down', 'HTTP_403'],
        ['info', 'callers.keys_up', undefined],
      ],
    );
    assert.ok(!broker.lines.join('').includes(podToken));
  });
});
