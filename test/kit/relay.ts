import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

/** A TCP relay in front of servers, to take them away from their clients and give them back. */
export type Relay = AsyncDisposable & {
  port: number;
  /** From now on connections are reset and new ones refused with a reset, as by a server that went down. */
  cut(): void;
  /** From now on nothing passes, but connections stay open and are accepted, as by a server that hangs. */
  freeze(): void;
  /** Lets everything pass again; what was held by `freeze` arrives now. */
  restore(): void;
  /** New connections go to these targets from now on; those there are stay, as behind a Kubernetes Service. */
  aim(...targets: { host: string; port: number }[]): void;
  /** How many connections were ever accepted. */
  accepted(): number;
};

/**
 * Opens a relay on a free loopback port. Several targets take turns, connection by connection, as behind a Kubernetes
 * Service.
 */
export async function openRelay(...first: { host: string; port: number }[]): Promise<Relay> {
  let targets = first;
  let state: 'open' | 'cut' | 'frozen' = 'open';
  let accepted = 0;
  const sockets = new Set<Socket>();

  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // The other end sees the close; there is nobody else to tell.
    socket.on('error', () => {});
    // Before any listener: a paused socket stays paused when one is added.
    if (state === 'frozen') socket.pause();
  };
  const server = createServer((near) => {
    const target = targets[accepted++ % targets.length];
    keep(near);
    if (state === 'cut' || !target) return near.resetAndDestroy();
    const far = dial(target);
    keep(far);
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      from.on('data', (chunk) => to.write(chunk));
      from.on('close', () => to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      state = 'cut';
      for (const socket of sockets) socket.resetAndDestroy();
    },
    freeze() {
      state = 'frozen';
      for (const socket of sockets) socket.pause();
    },
    restore() {
      state = 'open';
      for (const socket of sockets) socket.resume();
    },
    aim(...next) {
      targets = next;
    },
    accepted: () => accepted,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
