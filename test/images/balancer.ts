import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** How often readiness is asked, as a kubelet does, only sooner. */
const askEveryMs = 200;

/**
 * Plays a Kubernetes Service in front of containers: each new connection goes to the next one that says it is ready.
 * `targets` gives their addresses, which a restart may change.
 */
export async function openBalancer(port: number, targets: () => Promise<string[]>): Promise<AsyncDisposable> {
  let addresses = await targets();
  let ready: string[] = [];
  let next = 0;
  const ask = async () => {
    const answers = await Promise.all(addresses.map((address) => isReady(address, ready.includes(address))));
    ready = addresses.filter((_, at) => answers[at]);
    // Who is replaced may come back elsewhere.
    if (ready.length < addresses.length) addresses = await targets();
  };
  await ask();
  const closing = new AbortController();
  const asking = (async () => {
    while (!closing.signal.aborted) {
      await delay(askEveryMs);
      // An engine that cannot say where they are is asked again.
      await ask().catch(() => {});
    }
  })();
  const server = createServer((client) => {
    const address = ready[next++ % ready.length];
    if (address) join(client, connect(8080, address));
    else client.destroy();
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      server.close();
      await Promise.all([asking, once(server, 'close')]);
    },
  };
}

function join(client: Socket, upstream: Socket): void {
  client.pipe(upstream).pipe(client);
  client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
  upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
}

/** What it says of itself; that it says nothing in time leaves it as it was, as one failed probe does a pod. */
const isReady = (address: string, before: boolean): Promise<boolean> =>
  fetch(`http://${address}:9090/readyz`, { signal: AbortSignal.timeout(1_000) }).then(
    ({ ok }) => ok,
    (error) => error.name === 'TimeoutError' && before,
  );
