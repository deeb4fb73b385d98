import { pbkdf2Sync } from 'node:crypto';
import { createServer } from 'node:http';

// Latencies that everybody must measure alike: 20 to 120 ms, each of 101 as often as any other, in no order. Each
// response takes some work, so that its CPU is that work and not the server's waking up: some generators send in bursts.
// `/served` tells how many responses there were: a generator may send some before it measures.
const rounds = 4_000;
let served = 0;
createServer((req, res) => {
  req.resume();
  if (req.url === '/served') return res.end(String(served));
  served += 1;
  const respond = () => res.end(pbkdf2Sync('hello', 'world', rounds, 32, 'sha256').toString('hex'));
  setTimeout(respond, 20 + ((served * 37) % 101));
}).listen(Number(process.argv[2]), '127.0.0.1');
