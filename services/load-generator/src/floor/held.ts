import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

// The floor of a stampede: whoever asks while the first one waits gets a response with it, as long as a token's.
const delayMs = Number(process.argv[2]);
const response = JSON.stringify({ access_token: 'x'.repeat(2_100), token_type: 'Bearer', expires_in: 3_600 });
let held: Promise<void> | undefined;

const server = createServer((req, res) => {
  if (req.method !== 'POST') return void res.end();
  req.resume().on('end', async () => {
    held ??= delay(delayMs).finally(() => {
      held = undefined;
    });
    await held;
    res.end(response);
  });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
// Whoever started it has gone.
process.stdin.on('end', () => process.exit()).resume();
