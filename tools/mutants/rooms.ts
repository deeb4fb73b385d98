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

const webRooms = [
  ...['api/api-request', 'api/api-routes', 'api/api-wire', 'broker/challenge', 'broker/flights', 'step-up/step-up'],
  ...['handlers', 'http/fetch-pair', 'http/request', 'http/response', 'http/routes'],
  ...['session/caching', 'session/cookies', 'session/flow-trace', 'session/location', 'session/locations'],
  ...['session/logins', 'session/same-origin', 'session/seal', 'session/session'],
  'network/client-network',
  ...['sign-in/callback', 'sign-in/form', 'sign-in/oidc', 'sign-in/oidc-discovery', 'sign-in/return-path'],
  ...['sign-in/session-revocation', 'sign-in/sign-in', 'sign-in/sign-out'],
];
const frontRooms = [
  ...['people/admission', 'people/identities', 'people/identity-key', 'people/short-memory'],
  ...[
    'wire/arrival',
    'wire/identity-headers',
    'wire/request-headers',
    'wire/response-headers',
    'wire/upstream-cookies',
  ],
  ...['file/upstream-table', 'file/upstreams-file', 'forward-auth'],
];
const packageRooms = [
  ...['api/bearer', 'api/bearer-header', 'core/challenge', 'core/keys/authority', 'core/keys/kept-keys'],
  ...[
    'core/keys/key-ring',
    'core/keys/signing-keys',
    'core/optional-space',
    'core/network/rate-limit',
    'core/telemetry/trace-context',
    'core/wire/plain-path',
  ],
];

/**
 * The source files that implement promises of docs/threat-model.md: all of token-broker, what decides about security in
 * packages/node's web and in web-frontend's front mode, and what every service of ours trusts in packages/node.
 */
export function promisedRooms(): string[] {
  const broker = globSync('services/token-broker/src/**/*.{ts,lua}').filter(
    (path) => !/\.(test|fake|contract)\.ts$/.test(path) && !(basename(path) in leftOut),
  );
  return [
    ...broker.sort(),
    ...webRooms.map((name) => `packages/node/src/web/${name}.ts`),
    ...frontRooms.map((name) => `services/web-frontend/src/upstreams/${name}.ts`),
    ...packageRooms.map((name) => `packages/node/src/${name}.ts`),
  ];
}
