import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Locations, publicBaseUrls } from './locations.ts';

const at = [
  'https://a.example.com',
  'https://b.example.com:8443',
  'https://c.example.com/shop',
  'https://c.example.com/hr/eu',
];
const locations = Locations.of(at);

/** Where a request comes to: the location's URL and the path below it, or whether at least the host is known. */
function find(url: string, ...host: string[]) {
  const found = locations.find({ url, rawHeaders: host.flatMap((one, at) => [at === 0 ? 'Host' : 'host', one]) });
  return found.location ? [found.location.url, found.target] : found.knownHost;
}

describe('a list of public URLs', () => {
  const good: [string, string[]][] = [
    ['https://a.example.com', ['https://a.example.com']],
    ['https://a.example.com, https://b.example.com/shop', ['https://a.example.com', 'https://b.example.com/shop']],
    [
      'https://A.Example.com:443/Shop/  https://a.example.com/hr',
      ['https://a.example.com/Shop', 'https://a.example.com/hr'],
    ],
    [
      'http://a.localhost:3000,http://127.0.0.1:3000/v1.0_x-y',
      ['http://a.localhost:3000', 'http://127.0.0.1:3000/v1.0_x-y'],
    ],
    [
      'https://a.example.com/shop,https://a.example.com/shops',
      ['https://a.example.com/shop', 'https://a.example.com/shops'],
    ],
  ];
  for (const [value, urls] of good) it(`takes ${value}`, () => assert.deepEqual(publicBaseUrls.parse(value), urls));

  const bad: [string, string][] = [
    ['nothing', ' , '],
    ['no URL', 'a.example.com'],
    ['plain http elsewhere', 'https://a.example.com,http://b.example.com'],
    ['another scheme', 'ftp://a.example.com'],
    ['a user', 'https://me@a.example.com'],
    ['a password', 'https://me:secret@a.example.com'],
    ['a query', 'https://a.example.com/shop?x=1'],
    ['an empty query', 'https://a.example.com/shop?'],
    ['a fragment', 'https://a.example.com/#x'],
    ['two final slashes', 'https://a.example.com/shop//'],
    ['an empty segment', 'https://a.example.com//shop'],
    ['an encoded slash', 'https://a.example.com/shop%2Fx'],
    ['a tilde, which separates in cookie names', 'https://a.example.com/~shop'],
    ['a semicolon', 'https://a.example.com/shop;x'],
    ['another script', 'https://a.example.com/läden'],
    ['a long path', `https://a.example.com/${'a'.repeat(200)}`],
    ['a URL twice', 'https://a.example.com https://a.example.com'],
    ['a URL twice, with a final slash', 'https://a.example.com/shop,https://a.example.com/shop/'],
    ['a host twice, in capitals', 'https://a.example.com,https://A.EXAMPLE.COM'],
    ['a host twice, with its port', 'https://a.example.com,https://a.example.com:443'],
    ['a host with two ports, which cookies do not tell apart', 'https://a.example.com,https://a.example.com:8443'],
    ['a host with two schemes', 'https://localhost,http://localhost'],
    ['a path within a host', 'https://a.example.com,https://a.example.com/shop'],
    ['a path within a path', 'https://a.example.com/shop/eu,https://a.example.com/shop'],
    ['a path twice, in capitals', 'https://a.example.com/shop,https://a.example.com/SHOP'],
    ['five of a host', ['a', 'b', 'c', 'd', 'e'].map((path) => `https://a.example.com/${path}`).join()],
  ];
  for (const [name, value] of bad) {
    it(`refuses ${name}`, () => assert.equal(publicBaseUrls.safeParse(value).success, false));
  }
});

describe('the location of a request', () => {
  it('is picked by host, in any case and with the port of its scheme, and by path', () => {
    for (const host of ['a.example.com', 'A.Example.COM', 'a.example.com:443'])
      assert.deepEqual(find('/profile?x=/shop', host), ['https://a.example.com', '/profile?x=/shop']);
    assert.deepEqual(find('/', 'b.example.com:8443'), ['https://b.example.com:8443', '/']);
    for (const [url, below] of [
      ['/shop', '/'],
      ['/shop/', '/'],
      ['/shop?x=1', '/?x=1'],
      ['/shop/hr/eu?x', '/hr/eu?x'],
      ['/shop//evil.example.com', '//evil.example.com'],
    ] as const)
      assert.deepEqual(find(url, 'c.example.com'), ['https://c.example.com/shop', below]);
    assert.deepEqual(find('/hr/eu/profile', 'c.example.com'), ['https://c.example.com/hr/eu', '/profile']);
  });

  it('is none at another host, port or spelling, without a host and with two', () => {
    const others = [
      'b.example.com',
      'b.example.com:443',
      'a.example.com:80',
      'a.example.com:8443',
      'example.com',
      '',
      'x',
    ];
    const spellings = [
      'a.example.com.',
      'a.example.com:',
      'a.example.com:0443',
      'me@a.example.com',
      'a.example.com/shop',
    ];
    for (const host of [...others, ...spellings]) assert.equal(find('/', host), false, host);
    assert.equal(find('/'), false);
    assert.equal(find('/', 'a.example.com', 'a.example.com'), false);
  });

  it('is none outside of the paths of its host, however that is written', () => {
    for (const url of [
      '/',
      '/profile',
      '/shopping',
      '/Shop',
      '/shop%2Fx',
      '/%73hop',
      '//shop',
      '/hr',
      '/hr/e',
      'http://c.example.com/shop',
      '*',
    ])
      assert.equal(find(url, 'c.example.com'), true, url);
  });

  it('is the only one whatever the host, if there is but one for all hosts', () => {
    const { location } = Locations.one('https://a.example.com').find({ url: '/', rawHeaders: [] });
    assert.equal(location?.url, 'https://a.example.com');
  });
});

describe('a location', () => {
  const [a, b, shop, hr] = at.map(
    (url) =>
      locations.find({ url: new URL(url).pathname, rawHeaders: ['Host', new URL(url).host] }).location ?? assert.fail(),
  );

  it('has cookie names of its own at each path, with the prefix that forbids a path', () => {
    const name = '__Host-Http-session';
    assert.deepEqual(
      [a, b, shop, hr].map((each) => each?.cookie(name)),
      [name, name, '__Host-Http-shop~session', '__Host-Http-hr~eu~session'],
    );
  });

  it('seals for itself alone', () => {
    const purposes = new Set([a, b, shop, hr].map((each) => each?.sealedFor('session')));
    assert.equal(purposes.size, 4);
    assert.equal(purposes.has('session'), false);
  });

  it('leaves room in the header for the sessions of the others at its host', () => {
    assert.deepEqual(
      [a, b, shop, hr].map((each) => each?.maxSessionBytes),
      [1_900, 1_900, 1_425, 1_425],
    );
  });
});
