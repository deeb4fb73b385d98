// Runs in a pod of the cluster under test and does there what it is told on port 8080: single requests, connections, and a
// steady load whose outcomes it counts. Port 8081 leads to the Service UPSTREAM, as a gateway does.
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';

const connectWithinMs = 3_000;
const requestWithinMs = 15_000;
const counts = { requests: 0, failed: 0, signedOut: 0, foreign: 0, outcomes: {} };
let timer;

/** One request on a connection of its own; its outcome never throws. */
function send({ url, method = 'GET', headers = {}, body, withinMs = requestWithinMs }) {
  return new Promise((resolve) => {
    const sent = request(url, { method, headers, agent: false, timeout: withinMs }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
      response.on('error', ({ code, message }) => resolve({ error: code ?? message }));
    });
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.on('error', ({ code, message }) => resolve({ error: code ?? message })).end(body);
  });
}

function reach({ host, port }) {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: connectWithinMs });
    const end = (word) => {
      socket.destroy();
      resolve(word);
    };
    socket.on('connect', () => end('open')).on('timeout', () => end('timeout'));
    socket.on('error', ({ code }) => end(code));
  });
}

/** Counts one outcome: of a person's request whose body names the person, or of a caller's own. */
function count({ status, body = '', error }, { name, kind }) {
  counts.requests += 1;
  if (status === 200 && (!name || body.includes(name))) return;
  const outcome = status === 200 ? 'foreign' : status === 401 && name ? 'signedOut' : 'failed';
  counts[outcome] += 1;
  const word = `${kind}: ${status ?? error}`;
  counts.outcomes[word] = (counts.outcomes[word] ?? 0) + 1;
}

/** Every so many milliseconds the next of these requests; `assertionFile` proves the pod to the broker. */
function load({ everyMs, requests }) {
  clearInterval(timer);
  let next = 0;
  timer = setInterval(async () => {
    const { assertionFile, ...one } = requests[next++ % requests.length];
    if (assertionFile) one.body += `&client_assertion=${(await readFile(assertionFile, 'utf8')).trim()}`;
    count(await send(one), one);
  }, everyMs);
}

const routes = {
  '/send': send,
  '/reach': (targets) => Promise.all(targets.map(reach)),
  '/load': async (plan) => load(plan),
};
createServer(async (req, res) => {
  let text = '';
  for await (const part of req) text += part;
  const done = req.url === '/counts' ? counts : await routes[req.url]?.(JSON.parse(text));
  res.end(JSON.stringify(done ?? {}));
}).listen(8080);

if (process.env.UPSTREAM) {
  const [host, port] = process.env.UPSTREAM.split(':');
  createTcpServer((client) => {
    const far = connect(Number(port), host);
    client.pipe(far).pipe(client);
    client.on('error', () => far.destroy());
    far.on('error', () => client.destroy());
  }).listen(8081);
}
