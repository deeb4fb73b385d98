import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { Visitor } from './visitor.ts';

type Routes = Record<string, (req: IncomingMessage, res: ServerResponse) => void>;

async function openSite(host: string, routes: Routes) {
  const server = createServer((req, res) => {
    const route = routes[new URL(req.url ?? '', 'http://x').pathname];
    if (route) route(req, res);
    else res.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://${host}:${port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

const echo = (req: IncomingMessage, res: ServerResponse) => {
  const { cookie = '', origin = '', 'sec-fetch-site': site = '', 'sec-fetch-mode': mode = '' } = req.headers;
  res.setHeader('content-type', 'text/html');
  res.end(`<p>${[cookie, origin, site, mode].join('|')}</p>`);
};

describe('visitor', () => {
  it('keeps a __Host- cookie on localhost and refuses one with a Domain', async () => {
    await using site = await openSite('localhost', {
      '/': (_req, res) => {
        const cookies = ['__Host-a=1; Secure; HttpOnly; Path=/', '__Host-b=1; Secure; Path=/; Domain=localhost'];
        res.writeHead(200, { 'set-cookie': cookies }).end();
      },
    });
    using visitor = new Visitor();
    await visitor.open(site.origin);
    assert.deepEqual(await visitor.cookieNames(site.origin), ['__Host-a']);
  });

  it('follows redirects one by one and says truthfully where they came from', async () => {
    await using home = await openSite('localhost', {
      '/': (_req, res) => res.end('<a href="/away">Sign in</a>'),
      '/away': (_req, res) => {
        const cookies = ['strict=1; SameSite=Strict', 'lax=1; SameSite=Lax'];
        res.writeHead(302, { location: `${away.origin}/`, 'set-cookie': cookies }).end();
      },
      '/back': echo,
    });
    await using away = await openSite('127.0.0.1', {
      '/': (_req, res) =>
        res.end(`<form method="post" action="/step"><input name="tx" value="a&amp;b">
        <button name="user" value="alice">Alice</button><button name="user" value="bob">Bob</button></form>`),
      '/step': async (req, res) => {
        const [chunk] = await once(req, 'data');
        assert.equal(String(chunk), 'tx=a%26b&user=bob');
        res.writeHead(302, { location: `${home.origin}/back` }).end();
      },
    });
    using visitor = new Visitor();
    await visitor.open(home.origin);
    await visitor.follow('Sign in');
    assert.equal(visitor.page.url.origin, away.origin);
    await visitor.press('Bob');
    assert.equal(visitor.words, 'lax=1||cross-site|navigate');
    const answer = await visitor.fetch('/back', { method: 'POST' });
    assert.match(answer.body, /strict=1; lax=1|lax=1; strict=1/);
    assert.match(answer.body, new RegExp(`\\|${home.origin}\\|same-origin\\|cors`));
  });

  it('says what it saw when what it looks for is not there', async () => {
    await using site = await openSite('localhost', { '/': (_req, res) => res.end('<h1>Out of order</h1>') });
    using visitor = new Visitor();
    await visitor.open(site.origin);
    assert.throws(() => visitor.follow('Sign in'), /No link "Sign in" .*Out of order/);
  });
});
