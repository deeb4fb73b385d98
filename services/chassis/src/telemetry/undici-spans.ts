import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { startCall } from '@onbehalf/node/core/telemetry/client-span';
import { watchConnections } from '@onbehalf/node/core/telemetry/connection-times';

type UndiciRequest = { origin: string | URL; method: string; addHeader(name: string, value: string): unknown };
type UndiciMessage = { request: UndiciRequest; response?: { statusCode: number }; error?: unknown };

/**
 * Makes a call of every request by fetch or undici, through the channels undici publishes (undici docs,
 * "Diagnostics Channel Support"): no module is patched.
 */
export function watchUndici(): void {
  watchConnections();
  const calls = new WeakMap<UndiciRequest, ReturnType<typeof startCall>>();
  const on = (name: string, listener: (message: UndiciMessage) => void) =>
    subscribe(`undici:request:${name}`, (message) => listener(message as UndiciMessage));
  on('create', ({ request }) => {
    const call = startCall(request.method, new URL(request.origin));
    for (const [name, value] of Object.entries(call.headers)) request.addHeader(name, value);
    calls.set(request, call);
  });
  subscribe('undici:client:sendHeaders', (message) => {
    const { request, socket } = message as UndiciMessage & { socket: Socket };
    calls.get(request)?.connected(socket);
  });
  on('headers', ({ request, response }) => calls.get(request)?.responded(response?.statusCode ?? 0));
  on('trailers', ({ request }) => calls.get(request)?.end());
  on('error', ({ request, error }) => calls.get(request)?.end(error ?? new Error('failed')));
}
