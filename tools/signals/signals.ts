import { readFileSync } from 'node:fs';
import type { Registry } from '@onbehalf/node/core/telemetry/measures';
import { signals } from '@onbehalf/node/core/telemetry/signals';
import { signals as webSignals } from '@onbehalf/node/web/telemetry/signals';

const rooms = ['chassis', 'token-broker', 'downstream-api'];

/** Each room's registry of signals. */
export function signalsByRoom(): [room: string, registry: Registry][] {
  const ofServices = rooms.map((room): [string, Registry] => [
    room,
    JSON.parse(readFileSync(`services/${room}/src/signals.json`, 'utf8')),
  ]);
  return [['node', signals], ['node/web', webSignals], ...ofServices];
}

/** All registries as one. */
export function allSignals(): Registry {
  const all: Registry = { attributes: {}, spans: {}, metrics: {} };
  for (const [, { attributes, spans, metrics }] of signalsByRoom()) {
    Object.assign(all.attributes, attributes);
    Object.assign(all.spans, spans);
    Object.assign(all.metrics, metrics);
  }
  return all;
}
