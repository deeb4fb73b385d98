import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { openEndpoint } from './endpoint.ts';
import { Unsafe } from './safety.ts';

const issuer = 'http://localhost:9443/tenant/v2.0';
const tokenOf = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;

describe("anybody's token endpoint", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'endpoint-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function write(adapter: unknown): Promise<string> {
    const file = join(folder, 'adapter.json');
    await writeFile(file, typeof adapter === 'string' ? adapter : JSON.stringify(adapter));
    return file;
  }

  it('is asked with the form, the headers and the assertion of its file, each person in turn', async () => {
    await using server = await answering({ id: tokenOf({ iss: issuer, oid: 'a' }) });
    await writeFile(join(folder, 'assertion'), 'proof\n');
    const file = await write({
      ...{ url: `${server.url}/t/oauth2/v2.0/token?x=1`, token: 'id', issuer, headers: { 'x-tenant': 't' } },
      ...{ form: { grant_type: 'g', scope: 's' }, assertionFile: join(folder, 'assertion') },
      people: [
        { form: { subject_token: 'one' }, oid: 'a' },
        { form: { subject_token: 'two' }, headers: { 'x-two': '2' } },
      ],
    });
    const remote = await openEndpoint(file, []);
    const kind = await remote.people(5, 1, () => {});
    await remote.warm(kind, 1);
    assert.deepEqual(
      server.asked.map(({ path, form }) => [path, form.get('subject_token'), form.get('client_assertion')]),
      ['one', 'one', 'two'].map((token) => ['/t/oauth2/v2.0/token?x=1', token, 'proof']),
    );
    assert.deepEqual(
      server.asked.map(({ headers }) => [headers['x-tenant'], headers['x-two']]),
      [
        ['t', undefined],
        ['t', undefined],
        ['t', '2'],
      ],
    );
    assert.deepEqual([kind.path, kind.name, kind.people.length], ['/t/oauth2/v2.0/token?x=1', 'g', 2]);
    assert.equal((await remote.people(1, 2, () => {})).people[0]?.fields?.subject_token, 'two');
  });

  for (const [name, answer, more] of [
    ['of another issuer', { access_token: tokenOf({ iss: 'https://login.microsoftonline.com/t/v2.0' }) }, { issuer }],
    ['of no issuer that the file names', { access_token: tokenOf({ iss: issuer }) }, {}],
    ['of an opaque token', { access_token: 'opaque' }, { issuer }],
    ['of somebody else', { access_token: tokenOf({ iss: issuer, oid: 'b' }) }, { issuer, people: [{ oid: 'a' }] }],
    ['without a token', { error: 'invalid_client' }, { issuer }],
  ] as const) {
    it(`is sent one request and no more after a response ${name}`, async () => {
      await using server = await answering(answer);
      await assert.rejects(openEndpoint(await write({ url: server.url, ...more }), []), Unsafe);
      assert.equal(server.asked.length, 1);
    });
  }

  it('may have opaque tokens where its file says that nothing real stands behind', async () => {
    await using server = await answering({ access_token: 'opaque' });
    const opaque = 'no real identity provider stands behind it';
    await openEndpoint(await write({ url: server.url, opaque }), []);
    const named = { access_token: tokenOf({ iss: 'https://sts.windows.net/t/' }) };
    await using real = await answering(named);
    await assert.rejects(openEndpoint(await write({ url: real.url, opaque }), []), Unsafe);
  });

  for (const [name, adapter, word] of [
    ["Microsoft's", { url: 'https://login.microsoftonline.com/t/oauth2/v2.0/token', issuer }, /Microsoft/],
    ["of Microsoft's tokens", { url: 'http://localhost:1', issuer: 'https://sts.windows.net/t/' }, /Microsoft/],
    ['elsewhere', { url: 'https://idp.example/token', issuer }, /--allow-host/],
    ['of a broken file', '{', /not usable/],
    ['of a file that says more', { url: 'http://localhost:1', secret: 'x' }, /not usable/],
  ] as const) {
    it(`is not asked at all if it is ${name}`, async () => {
      await assert.rejects(openEndpoint(await write(adapter), ['login.microsoftonline.com']), word);
    });
  }
});

async function answering(answer: object) {
  const asked: { path: string; headers: NodeJS.Dict<string | string[]>; form: URLSearchParams }[] = [];
  const server = createServer(async (req, res) => {
    asked.push({ path: req.url ?? '', headers: req.headers, form: new URLSearchParams(await text(req)) });
    res.end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
