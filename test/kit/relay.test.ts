import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { openRelay } from './relay.ts';

async function openEcho() {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

async function say(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [chunk] = await once(socket, 'data');
  return String(chunk);
}

describe('relay', () => {
  it('passes bytes both ways', async () => {
    await using echo = await openEcho();
    await using relay = await openRelay(echo);
    const socket = connect(relay.port, '127.0.0.1');
    assert.equal(await say(socket, 'hello'), 'hello');
    assert.equal(relay.accepted(), 1);
    socket.destroy();
  });

  it('resets connections when cut, refuses new ones, and lets them in when restored', async () => {
    await using echo = await openEcho();
    await using relay = await openRelay(echo);
    const before = connect(relay.port, '127.0.0.1');
    await say(before, 'hello');
    relay.cut();
    await assert.rejects(once(before, 'data'), { code: 'ECONNRESET' });
    const during = connect(relay.port, '127.0.0.1');
    await assert.rejects(once(during, 'data'), { code: 'ECONNRESET' });
    relay.restore();
    const after = connect(relay.port, '127.0.0.1');
    assert.equal(await say(after, 'again'), 'again');
    after.destroy();
  });

  it('holds everything while frozen, new connections too, and delivers it when restored', async () => {
    await using echo = await openEcho();
    await using relay = await openRelay(echo);
    const old = connect(relay.port, '127.0.0.1');
    await say(old, 'hello');
    relay.freeze();
    const fresh = connect(relay.port, '127.0.0.1');
    await once(fresh, 'connect');
    let heard = '';
    for (const socket of [old, fresh]) socket.on('data', (chunk) => (heard += chunk));
    old.write('a');
    fresh.write('b');
    // A third party through the echo itself shows that time enough for an answer has passed.
    const direct = connect(echo.port, '127.0.0.1');
    await say(direct, 'meanwhile');
    assert.equal(heard, '');
    const answers = [once(old, 'data'), once(fresh, 'data')];
    relay.restore();
    await Promise.all(answers);
    assert.deepEqual([...heard].sort(), ['a', 'b']);
    for (const socket of [old, fresh, direct]) socket.destroy();
  });
});
