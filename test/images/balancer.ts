import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** How often readiness is asked, as a kubelet does, only sooner. */
const askEveryMs = 200;

/**
 * Plays a Kubernetes Service in front of containers: each new connection goes to the next one that says it is ready.
 * `targets` gives their addresses, which a restart may change.
 */
export async function openBalancer(port: number, targets: () => Promise<string[]>): Promise<AsyncDisposable> {
  let ready: string[] = [];
  let next = 0;
  const ask = async () => {
    const addresses = await targets();
    const answers = await Promise.all(addresses.map(isReady));
    ready = addresses.filter((_, at) => answers[at]);
  };
  await ask();
  const timer = setInterval(() => ask().catch(() => {}), askEveryMs);
  const server = createServer((client) => {
    const address = ready[next++ % ready.length];
    if (address) join(client, connect(8080, address));
    else client.destroy();
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      server.close();
      await once(server, 'close');
    },
  };
}

function join(client: Socket, upstream: Socket): void {
  client.pipe(upstream).pipe(client);
  client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
  upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
}

const isReady = (address: string): Promise<boolean> =>
  fetch(`http://${address}:9090/readyz`, { signal: AbortSignal.timeout(1_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
