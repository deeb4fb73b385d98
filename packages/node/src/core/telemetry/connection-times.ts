import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { Attributes } from '@opentelemetry/api';

/** The events of a new socket in their order (Node docs, net and tls), and the part of its making that each ends. */
const parts = { lookup: 'dns', connect: 'tcp', secureConnect: 'tls' } as const;

const times = new WeakMap<Socket, Attributes>();

/** Keeps of every connection that is made by this process from now on how long each part of it took. */
export function watchConnections(): void {
  subscribe('net.client.socket', (message) => {
    const { socket } = message as { socket: Socket };
    const took: Attributes = {};
    let sinceMs = performance.now();
    for (const [event, part] of Object.entries(parts)) {
      socket.once(event, () => {
        const nowMs = performance.now();
        const tookMs = Math.round(nowMs - sinceMs);
        if (tookMs > 0) took[`onbehalf.connection.${part}`] = tookMs;
        sinceMs = nowMs;
      });
    }
    times.set(socket, took);
  });
}

/** How long each part of this connection took, as attributes in ms: for the first request on it, nothing for later ones. */
export function takeConnectionTimes(socket: Socket): Attributes {
  const took = times.get(socket) ?? {};
  times.delete(socket);
  return took;
}
