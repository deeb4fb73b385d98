import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { apiTarget } from '@onbehalf/node/web/api/api-wire';
import { apisSchema, scopesFor } from '@onbehalf/node/web/apis/apis';
import fc from 'fast-check';
import { runs } from './faults.ts';

const routesOf = (more: object) => [
  { methods: ['GET'], path: '/public/secret', scopes: ['api://orders/secret'], ...more },
  { methods: ['GET'], path: '/public/bills', scopes: ['api://orders/secret'], ...more },
  { methods: ['GET'], path: '/public/*', ...more },
  { methods: ['GET'], path: '/whoami', ...more },
];
const { orders, packages } = apisSchema.parse({
  orders: { url: 'http://orders.test/base', scopes: ['api://orders/read'], routes: routesOf({}) },
  /** The same, with encoded slashes. */
  packages: {
    url: 'http://packages.test/base',
    scopes: ['api://orders/read'],
    routes: routesOf({ encodedSlashes: true }),
  },
});
assert.ok(orders && packages);

type Passing = { path: string; scopes: string[] };
/** What passes the list at `/api/orders`, and for which scopes. */
function pass(path: string, api = orders): Passing | undefined {
  const target = apiTarget(`/api/orders${path}`);
  const scopes = target && api && scopesFor(api, 'GET', target.path);
  return target && scopes && { path: target.path, scopes };
}
/** The same where encoded slashes pass. */
const passEncoded = (path: string) => pass(path, packages);

const bytesOf = (path: string) =>
  Buffer.from(
    path.replaceAll(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
/** As decoders did that took overlong forms: two or three bytes for what needs one. */
const overlong = (bytes: Buffer) =>
  bytes
    .toString('latin1')
    .replaceAll(/[\xc0-\xc1][\x80-\xbf]/g, (two) =>
      String.fromCharCode(((two.charCodeAt(0) & 0x1f) << 6) | (two.charCodeAt(1) & 0x3f)),
    )
    .replaceAll(/\xe0[\x80-\x9f][\x80-\xbf]/g, (three) =>
      String.fromCharCode(((three.charCodeAt(1) & 0x3f) << 6) | (three.charCodeAt(2) & 0x3f)),
    );
const decode = (path: string) => bytesOf(path).toString('utf8');
const decodeAllButSlashes = (path: string) => decode(path.replaceAll(/%2f/gi, '%252f'));
const cutParameters = (path: string) => path.replaceAll(/;[^/]*/g, '');
const eachSegment = (path: string, change: (segment: string) => string) => path.split('/').map(change).join('/');

/** Slashes merged, `.` and `..` resolved, nothing above the root. RFC 3986 section 5.2.4. */
function resolve(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '.' && segment !== '') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

const windows = (path: string) =>
  eachSegment(
    path.replaceAll('\\', '/'),
    (segment) =>
      // The last blanks and dots of a name go, unless it is one of the two; so does a stream (NTFS).
      [segment, segment.trim()].find((one) => one === '.' || one === '..') ??
      segment.replace(/:.*$/s, (stream) => (stream ? '' : stream)).replace(/(?<=[^. ])[. ]+$|^ +$/, ''),
  );
/** Code pages that lack a character take the one that looks most like it. */
const bestFit = (path: string) =>
  path
    .normalize('NFKC')
    .replaceAll(/[\u2044\u2215]/g, '/')
    .replaceAll('\u2216', '\\')
    .replaceAll(/[\u200b-\u200d\ufeff\u00ad]/g, '');

/** How servers find a resource by a path, each by its documentation. */
const servers: Record<string, (path: string) => string> = {
  'a WHATWG URL parser': (path) => new URL(`http://h${path}`).pathname,
  'nginx: decodes, merges slashes, resolves dots': (path) => resolve(decode(path)),
  'Tomcat: cuts parameters, decodes, resolves dots': (path) =>
    resolve(decode(cutParameters(path)).replaceAll('\\', '/')),
  'Jetty, Undertow, WebLogic: decode, cut parameters, resolve dots': (path) => resolve(cutParameters(decode(path))),
  'Spring behind a proxy: decodes twice, cuts parameters each time': (path) =>
    resolve(cutParameters(decode(cutParameters(decode(path))))),
  'IIS: decodes, takes backslashes, streams, dots and blanks at the end as Windows does': (path) =>
    resolve(windows(decode(path))),
  'IIS of old: takes overlong UTF-8': (path) => resolve(windows(overlong(bytesOf(path)))),
  'ASP.NET: takes cookieless sessions out of the path': (path) =>
    resolve(windows(decode(path).replaceAll(/\([A-Z]\([^)/]*\)\)/g, ''))),
  'PHP: takes + for a blank': (path) => resolve(windows(decode(path.replaceAll('+', '%20')))),
  'a server with a code page: takes what looks like a slash, a dot or a semicolon for one': (path) =>
    resolve(windows(cutParameters(bestFit(decode(path))))),
  'a server that decodes what it normalised': (path) => resolve(decode(bestFit(decode(path)))),
  'Kestrel, Go, Node: an encoded slash stays in its segment': (path) => resolve(decodeAllButSlashes(path)),
  'Jetty with a decoder behind it: cuts parameters before encoded slashes are slashes': (path) =>
    resolve(decode(cutParameters(decodeAllButSlashes(path)))),
  'a router that takes what it decoded for a URL': (path) => resolve(decode(path).replace(/[?#].*$/s, '')),
  'a program in C: ends at a NUL': (path) => resolve(decode(path).replace(/\0.*$/s, '')),
  'a server that passes over what is not seen': (path) => resolve(decode(path).replaceAll(/[\p{DI}\p{C}]/gu, '')),
  'a code page without accents': (path) =>
    resolve(
      decode(path)
        .normalize('NFKD')
        .replaceAll(/[\u0300-\u036f]/g, ''),
    ),
  'Java: alike in upper case': (path) => resolve(decode(path).toUpperCase()),
};

/** What escapes are made of, and names around them. */
const pieces = [
  ...[
    '/',
    '/',
    '/',
    '..',
    '..',
    '.',
    ';',
    ';a=b',
    ':',
    '::$DATA',
    ':$i30:$INDEX_ALLOCATION',
    '(S(x))',
    '+',
    ',',
    '=',
    '*',
  ],
  ...[
    '%2e',
    '%2E',
    '%252e',
    '%2f',
    '%5c',
    '\\',
    '%3b',
    '%3B',
    '%20',
    '%09',
    '%00',
    '%0a',
    '%c2%a0',
    '%23',
    '%3f',
    '%u002e',
  ],
  ...['%c0%ae', '%e0%80%ae', '%c0%af', '%c1%9c', '%c0%bb', '%ff', '%ef%bc%8e', '%ef%bc%8f', '%ef%bc%bc', '%ef%bc%9b'],
  ...[
    '%e2%80%a5',
    '%e2%80%a4',
    '%e2%80%a6',
    '%cd%be',
    '%ef%b9%92',
    '%e2%88%95',
    '%c2%a5',
    '%ef%bc%85',
    '2e',
    '%e2%80%8b',
  ],
  ...[
    '%2f',
    '%2F',
    '%2F%2F',
    '%ef%b8%8f',
    '%cc%81',
    '%e1%85%9f',
    'sécret',
    'ſecret',
    'bılls',
    'secret%3f',
    '%e3%80%82',
  ],
  ...['public', 'secret', 'SECRET', 'secre%74', 'admin', 'whoami', 'x', 'a.b', 'ü', '%C3%BC'],
];
const written = fc.array(fc.constantFrom(...pieces), { maxLength: 9 }).map((parts) => `/public/${parts.join('')}`);

const known = [
  ...[
    '/public/..;/admin',
    '/public/..;a=b/admin',
    '/public/.;/..;/admin',
    '/public/..%3b/admin',
    '/public/x;/..;y/..;/admin',
  ],
  ...[
    '/public/..%20/admin',
    '/public/...;/x',
    '/public/.../x',
    '/public/..%20;x/admin',
    '/public/.%20./admin',
    '/public/..+/x',
  ],
  ...['/public/%c0%ae%c0%ae/admin', '/public/%e0%80%ae%e0%80%ae/admin', '/public/..%c0%af', '/public/..%c0%bb/admin'],
  ...['/public/..%2e/x', '/public/../admin', '/public/%2e%2e/admin', '/public/..\\admin', '/public/..%5cadmin'],
  ...['/public/%252e%252e/admin', '/public/..%00/admin', '/public/..%0d/admin', '/public/%u002e%u002e/admin'],
  ...[
    '/public/%ef%bc%8e%ef%bc%8e/admin',
    '/public/%e2%80%a5/admin',
    '/public/..%ef%bc%8fadmin',
    '/public/..%ef%bc%9b/x',
  ],
  ...['/public/..%cd%be/admin', '/public/..%e2%88%95admin', '/public/..%c2%a5admin', '/public/..::$DATA/admin'],
  ...[
    '/public/..:$i30:$INDEX_ALLOCATION/admin',
    '/public/..(S(x))/admin',
    '/public/(S(x))../admin',
    '/public/.(S(x))./admin',
  ],
  ...[
    '/public/..%e2%80%8b/admin',
    '/public/%ef%bc%852e%ef%bc%852e/admin',
    '/public/..%23/admin',
    '/public/..%3fx/admin',
  ],
  ...['/public/..%ef%b8%8f/admin', '/public/.%cc%81./admin', '/public/%e1%85%9f../admin', '/public/secret%3fx/y'],
  ...[
    '/public/s%C3%A9cret',
    '/public/b%c4%b1lls',
    '/public/se%cc%81cret',
    '/public/%2e%2e;/admin',
    '/public/.%20/admin',
    '/public/..\\',
  ],
  ...[
    '/public/secret;x',
    '/public/secret%3bx',
    '/public/secre%74',
    '/public/SECRET',
    '/public/secret/',
    '/public/secret.',
  ],
  ...[
    '/public/secret%20',
    '/public/secret::$DATA',
    '/whoami;x',
    '/whoami/',
    '/WHOAMI',
    '/admin',
    '/public',
    '/public/;x/..;/y',
  ],
];

/** What people name things, and APIs call addresses. */
const plain = [
  ...[
    '/public/',
    '/public/a',
    '/public/a/',
    '/public/a;v=1/b',
    '/public/Orders(1)/Items',
    '/public/root:/a/b.pdf:/content',
  ],
  ...['/public/v1.2/x', '/public/.well-known/x', '/public/a..b', '/public/..a', '/public/a...', '/public/%C3%BC%20b'],
  ...[
    '/public/report%20(final).pdf',
    '/public/@me',
    '/public/a,b',
    '/public/$count',
    '/public/user@example.test',
    '/whoami',
  ],
  ...[
    '/public/%E6%97%A5%E6%9C%AC',
    '/public/secrets',
    '/public/secret/more',
    '/public/~x',
    '/public/1+1=2',
    '/public/*.json',
  ],
];

/** Names that hold a slash: packages, resource ids, addresses. */
const encoded = [
  ...['/public/@org%2Fname', '/public/@org%2fname/-/name-1.0.0.tgz', '/public/a%2Fb%2Fc', '/public/secret%2Fmore'],
  ...['/public/%2Fsubscriptions%2F1%2FresourceGroups%2Frg/tags', '/public/https%3A%2F%2Fexample.test%2F/pages'],
  ...['/public/root:/a%2Fb.pdf:/content', '/public/a;v=1%2F2/b', '/public/%2F', '/public/a%2F', '/public/.npm%2F.x'],
];

/** Ways out of the route through an encoded slash. */
const encodedOut = [
  ...[
    '/public/..%2fadmin',
    '/public/..%2Fadmin',
    '/public/a%2F..%2F..%2Fadmin',
    '/public/%2F..%2Fadmin',
    '/public/a%2F..',
  ],
  ...[
    '/public/.%2Fsecret',
    '/public/a%2F.',
    '/public/%2e%2e%2fadmin',
    '/public/%252e%252e%252fadmin',
    '/public/..%252fadmin',
  ],
  ...[
    '/public/a%252Fb',
    '/public/..%5cadmin',
    '/public/a%5C..%2Fadmin',
    '/public/..;%2Fadmin',
    '/public/..%3b%2Fadmin',
  ],
  ...['/public/x%2F..;a=b%2F..;%2Fadmin', '/public/..%00%2Fadmin', '/public/..%20%2Fadmin', '/public/..%ef%bc%8fadmin'],
  ...['/public/%c0%ae%c0%ae%2Fadmin', '/public/..%c0%afadmin', '/public/%ef%bc%8e%ef%bc%8e%2Fadmin', '/public/a%2fb%'],
  ...[
    '/public/%2Fsecret',
    '/public/secret%2F',
    '/public/secret;x%2Fy',
    '/public/secret%3bx%2Fy',
    '/public/secret%3Fx%2Fy',
  ],
  ...['/public%2Fx', '/%2Fpublic/x', '/%2fpublic%2fx', '/whoami%2F', '/%2Fwhoami', '/x%2F..%2Fpublic/x', '%2Fpublic/x'],
  ...['/public/.%ef%b8%8f.%2Fadmin', '/public/%u002f', '/public/..%23%2Fadmin', '/public/..%3f%2Fadmin'],
];

describe('an address below /api', () => {
  it('passes in no known way out of its route', () => {
    for (const path of known) assert.equal(pass(path), undefined, path);
  });

  it('passes as people and APIs write it', () => {
    for (const path of plain) assert.deepEqual(pass(path)?.path, path, path);
  });

  for (const [which, passes] of Object.entries({ 'without encoded slashes': pass, 'with them': passEncoded })) {
    it(`is of the same route for whatever server comes to read it, ${which}`, () => {
      const passed = { in: 0, withSlash: 0 };
      fc.assert(
        fc.property(written, (path) => {
          const found = passes(path);
          if (!found) return;
          passed.in += 1;
          if (/%2f/i.test(path)) passed.withSlash += 1;
          onlyOfItsRoute(found);
        }),
        { ...runs, numRuns: 20_000 },
      );
      assert.ok(passed.in > 500, `only ${passed.in} passed: too few to prove anything`);
      assert.equal(passed.withSlash > 200, passes === passEncoded, `${passed.withSlash} with an encoded slash`);
    });
  }

  it('has an encoded slash by its route only, within a segment, and is then read both ways', () => {
    for (const path of encoded) {
      assert.equal(pass(path), undefined, path);
      const found = passEncoded(path);
      assert.equal(found?.path, path, path);
      onlyOfItsRoute(found as Passing);
    }
    for (const path of [...known, ...encodedOut]) assert.equal(passEncoded(path), undefined, path);
    assert.equal(apiTarget('/api/packages/%2Fevil.example/x'), undefined, 'the name of a host, once decoded');
  });
});

/** Every server finds what we found: below the route, and what has scopes of its own for these only. */
function onlyOfItsRoute({ path, scopes }: Passing): void {
  for (const [server, read] of Object.entries(servers)) {
    const base = read(`/base${path}`);
    const inside = base.toLowerCase();
    assert.ok(inside === '/base/public' || inside.startsWith('/base/public/'), `${server} serves ${base} for ${path}`);
    const secret = inside === '/base/public/secret' || inside === '/base/public/bills';
    assert.deepEqual(scopes, [secret ? 'api://orders/secret' : 'api://orders/read'], `${server}: ${base} for ${path}`);
  }
}
