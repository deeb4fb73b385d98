import { globSync } from 'node:fs';
import { basename } from 'node:path';

/** Files of token-broker that are not mutated, and why. */
const leftOut: Record<string, string> = {
  'main.ts': 'wiring: a process of its own, which the journeys start',
  'openapi.ts': 'prints what app.ts serves',
  'signals.ts': 'names what is measured',
  'lifetimes.ts': 'a table of durations: tests take them from it',
  'config.ts': 'a schema: a chart test compares every key of it, and config.test.ts what it refuses',
  'store.ts': 'types',
};

const securityRooms = [
  ...['api/api-request', 'api/api-routes', 'api/api-wire', 'broker/challenge', 'broker/flights', 'step-up/step-up'],
  ...['session/caching', 'session/cookies', 'session/flow-trace', 'session/logins', 'session/same-origin'],
  ...['session/seal', 'session/session', 'network/client-network', 'network/rate', 'sign-in/return-path'],
  ...['sign-in/callback', 'sign-in/sign-in', 'sign-in/sign-out'],
];
const packageRooms = [
  ...['api/bearer', 'api/bearer-header', 'core/challenge', 'core/keys/authority', 'core/keys/kept-keys'],
  ...['core/keys/key-ring', 'core/keys/signing-keys', 'core/optional-space', 'core/telemetry/trace-context'],
];

/**
 * The source files that implement promises of docs/threat-model.md: all of token-broker, the security rooms of
 * web-frontend, and what every service of ours trusts in packages/node.
 */
export function promisedRooms(): string[] {
  const broker = globSync('services/token-broker/src/**/*.{ts,lua}').filter(
    (path) => !/\.(test|fake|contract)\.ts$/.test(path) && !(basename(path) in leftOut),
  );
  return [
    ...broker.sort(),
    ...securityRooms.map((name) => `packages/node/src/web/${name}.ts`),
    ...packageRooms.map((name) => `packages/node/src/${name}.ts`),
  ];
}
