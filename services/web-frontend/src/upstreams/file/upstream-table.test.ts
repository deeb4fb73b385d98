import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { surroundings } from '../upstream.fake.ts';
import { UpstreamTable } from './upstream-table.ts';
import { upstreamsSchema } from './upstreams-file.ts';

const publicHosts = ['a.example.com', 'b.example.com'];
const url = 'http://app:3000';
const table = new UpstreamTable(
  upstreamsSchema({ ...surroundings, publicHosts }).parse({
    everything: { url },
    docs: { url, path: '/docs' },
    admin: { url, path: '/docs/Admin', encodedSlashes: true },
    own: { url, path: '/docs', host: 'b.example.com' },
    gate: { pass: 'identity' },
  }),
);
const found = (path: string, host = 'a.example.com') => {
  const result = table.find({ url: path, headers: { host } });
  return result.kind === 'upstream' ? result.upstream.name : result.kind;
};

describe('the upstream of a request', () => {
  it('is the one of the longest path, and of its host', () => {
    const rows = [
      ['/', 'everything'],
      ['/docs', 'docs'],
      ['/docs/', 'docs'],
      ['/docs/a.html?b=/c', 'docs'],
      ['/docsy', 'everything'],
      ['/docs/Admin', 'admin'],
      ['/docs/Admin/x%2Fy', 'admin'],
      ['/Shop/Ünï'.replace('Ünï', '%C3%9Cn%C3%AF'), 'everything'],
    ] as const;
    for (const [path, name] of rows) assert.equal(found(path), name, path);
    assert.equal(found('/docs/a', 'B.example.com'), 'own');
    assert.equal(found('/docs/a', 'c.example.com'), 'docs');
  });

  it('is none where the path is ours', () => {
    for (const path of [
      '/sign-in',
      '/sign-in?x',
      '/api/orders/x',
      '/auth/verify',
      '/session',
      '/session/x',
      '/auth',
      '/sign-out',
    ])
      assert.equal(found(path), 'ours', path);
    assert.equal(table.named('gate')?.pass, 'identity');
  });

  const refused = [
    ...['/..', '/docs/..', '/docs/../x', '/docs/..;/x', '/docs/..;a=b/x', '/docs/.;/x', '/./docs', '/docs/%2e%2e/x'],
    ...['/docs/%2E/x', '/docs/..%2fx', '/docs%2fadmin', '/docs/x%2fy', '/docs/%5cx', '/docs\\x', '//docs', '/docs//x'],
    ...['/docs/%00', '/docs/%0d%0a', '/docs/%c0%ae%c0%ae/x', '/docs/%ef%bc%8e%ef%bc%8e/x', '/docs/%zz', '/docs/%252e'],
    ...[
      '/DOCS/x',
      '/Docs',
      '/docs/ADMIN',
      '/docs/admin',
      '/docs;x',
      '/docs%20/x',
      '/d%6fcs',
      '/docs;a/Admin',
      '/docs/Admin;x',
    ],
    ...['/%61uth/callback', '/AUTH/callback', '/Api/orders/x', '/sign-in;x', '/auth%2fcallback', '/se%73sion'],
    ...['http://a.example.com/docs', '*', 'docs', ''],
  ];
  for (const path of refused) {
    it(`is nobody where servers may read the path otherwise: ${path}`, () => assert.equal(found(path), 'refused'));
  }
});
