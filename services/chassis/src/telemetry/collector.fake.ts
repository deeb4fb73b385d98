import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';

type Answer = { status: number } | 'never' | 'reset';
export type Received = { path: string; headers: IncomingHttpHeaders; text: string; atMs: number };

/** A double of an OTLP collector: over HTTP, over TLS with a certificate, or gRPC with `grpc`. It takes all unless told. */
export async function openCollector(tls?: { key: string; cert: string } | 'grpc') {
  const received: Received[] = [];
  let answer: Answer = { status: 200 };
  const take: RequestListener = async (req, res) => {
    const body = await buffer(req);
    const bytes = req.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    if (answer === 'never') return;
    if (answer === 'reset') return void req.socket.destroy();
    if (answer.status !== 200) return void res.writeHead(answer.status).end();
    received.push({
      path: req.url ?? '',
      headers: req.headers,
      text: bytes.toString('latin1'),
      atMs: performance.now(),
    });
    res.end();
  };
  const sessions = new Set<ServerHttp2Session>();
  const server = tls === 'grpc' ? createHttp2Server() : tls ? createTlsServer(tls, take) : createServer(take);
  server.on('session', (session: ServerHttp2Session) => void sessions.add(session));
  server.on('stream', async (stream: ServerHttp2Stream, headers: IncomingHttpHeaders & { ':path'?: string }) => {
    const body = await buffer(stream);
    received.push({ path: headers[':path'] ?? '', headers, text: body.toString('latin1'), atMs: performance.now() });
    // An empty message, then the trailers: OTLP/gRPC says success.
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(5));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls && tls !== 'grpc' ? 'https' : 'http'}://127.0.0.1:${port}`,
    received,
    /** How it answers from now on. */
    set(to: Answer) {
      answer = to;
    },
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      if ('closeAllConnections' in server) server.closeAllConnections();
      server.close();
    },
  };
}
