import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { parseJsonConfig } from '@onbehalf/node/core/parse-config';
import { surroundings } from '../upstream.fake.ts';
import { upstreamsSchema } from './upstreams-file.ts';

const around = { ...surroundings, publicHosts: ['a.example.com', 'b.example.com:8443'] };
const read = (value: unknown) => parseJsonConfig(upstreamsSchema(around), JSON.stringify(value), 'UPSTREAMS_FILE');
const url = 'http://shop:3000';

describe('the file of upstreams', () => {
  it('asks for a session and passes nothing unless said', () => {
    const [shop] = read({ shop: { url } });
    const { require, pass, path, silenceSeconds, idleSeconds, identityHeaders, encodedSlashes } = shop ?? {};
    assert.deepEqual([require, pass, path, silenceSeconds, idleSeconds], ['session', 'none', '/', 30, 900]);
    assert.deepEqual([identityHeaders, encodedSlashes], [false, false]);
  });

  it('takes apps below one another, and the same path at several hosts', () => {
    const hosts = { a: { url, host: 'a.example.com' }, b: { url, host: 'b.example.com:8443' } };
    const below = {
      docs: { url, path: '/docs' },
      old: { url, path: '/docs/old', host: 'a.example.com' },
      app: { url },
    };
    const verified = { gate: { pass: 'identity' }, other: { pass: 'token', api: 'orders' } };
    for (const good of [hosts, below, { ...below, ...verified }]) assert.doesNotThrow(() => read(good));
  });

  const app = { url };
  const refused: [what: string, file: unknown, says: string][] = [
    ['one path twice', { a: app, b: app }, 'b.path: is that of a, at the same host'],
    [
      'a host twice',
      { a: { ...app, host: 'a.example.com' }, b: { ...app, host: 'a.example.com' } },
      'b.path: is that of a',
    ],
    ['one path in other letters', { a: { url, path: '/Shop' }, b: { url, path: '/shop' } }, 'b.path: is that of a'],
    [
      'one that those of each host shadow',
      { all: app, a: { ...app, host: 'a.example.com' }, b: { ...app, host: 'b.example.com:8443' } },
      'all.path: is taken at every host',
    ],
    ['a host that is not ours', { a: { ...app, host: 'c.example.com' } }, 'a.host: is none of the public URLs'],
    ['a host in other letters', { a: { ...app, host: 'A.example.com' } }, 'a.host: must be a host in lower case'],
    ['ourselves by the public name', { a: { url: 'https://a.example.com' } }, 'a.url: is this service itself'],
    ['ourselves by the public name and port', { a: { url: 'https://b.example.com:8443' } }, 'a.url: is this service'],
    ...[
      'localhost',
      'LOCALHOST',
      'localhost.',
      '127.0.0.1',
      '127.1',
      '127.9.9.9',
      '[::1]',
      '[::ffff:127.0.0.1]',
      'pod-1',
      '0.0.0.0',
    ].map((host): [string, unknown, string] => [
      `ourselves as ${host}`,
      { a: { url: `http://${host}:8080` } },
      'a.url: is this service itself',
    ]),
    ['the broker', { a: { url: 'http://token-broker:8080' } }, 'a.url: is the token broker'],
    ...['/auth', '/AUTH/x', '/api', '/sign-in', '/session/x', '/sign-out'].map((path): [string, unknown, string] => [
      `our own path ${path}`,
      { a: { url, path } },
      'a.path: is of this service itself',
    ]),
    ...['shop', '/shop/', '//shop', '/a/../b', '/..', '/./b', '/a%2fb', '/a;b', '/a?b', '/a b'].map(
      (path): [string, unknown, string] => [`a path that escapes: ${path}`, { a: { url, path } }, 'a.path: must '],
    ),
    ['a url with a path', { a: { url: `${url}/x` } }, 'a.url: must be an origin'],
    ['a url with a user', { a: { url: 'http://u:p@shop' } }, 'a.url: must be an origin'],
    ['another scheme', { a: { url: 'ftp://shop' } }, 'a.url: must be an http or https URL'],
    ['a token of no API', { a: { url, pass: 'token' } }, 'a.api: is required where pass is token'],
    ['a token of an unknown API', { a: { url, pass: 'token', api: 'sales' } }, 'a.api: is not in APIS_FILE'],
    ['an API without a token', { a: { url, api: 'orders' } }, 'a.api: needs pass: token'],
    ['files and a url', { a: { url, folder: '/srv' } }, 'a.folder: excludes url'],
    [
      'files that are told of people',
      { a: { folder: '/srv', identityHeaders: true } },
      'a.pass: says nothing to files',
    ],
    ['a folder that is relative', { a: { folder: 'srv' } }, 'a.folder: must be an absolute path'],
    ['another requirement', { a: { url, require: 'login' } }, 'a.require: must be none or session'],
    ['another way to pass', { a: { url, pass: 'cookie' } }, 'a.pass: must be token, identity or none'],
    ['a word that it does not know', { a: { url, strip: true } }, 'a: does not know strip'],
    [
      'a policy that breaks the head',
      { a: { url, contentSecurityPolicy: "default-src 'self'\r\nX: y" } },
      'must be one line',
    ],
    ['a name that is none', { 'A B': app }, 'A B'],
    ['no JSON', undefined, 'UPSTREAMS_FILE'],
  ];
  for (const [what, file, says] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => read(file ?? 'x'),
        (error) => error instanceof ConfigError && error.message.includes(says),
      );
    });
  }
});
