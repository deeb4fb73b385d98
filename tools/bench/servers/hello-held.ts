import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

// The floor of a stampede: everybody who asks while the first one waits is answered with it, as long as a token is.
const [port, delayMs] = process.argv.slice(2).map(Number);
const answer = JSON.stringify({ access_token: 'x'.repeat(2_100), token_type: 'Bearer', expires_in: 3_600 });
let held: Promise<void> | undefined;

createServer((req, res) => {
  if (req.method !== 'POST') return void res.end();
  req.resume().on('end', async () => {
    held ??= delay(delayMs).finally(() => {
      held = undefined;
    });
    await held;
    res.end(answer);
  });
}).listen(port, '127.0.0.1');
