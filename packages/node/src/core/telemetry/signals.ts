import type { Registry } from './measures.ts';

/** What the package tells of itself. Not JSON: Node 20 prints a warning of every JSON module. */
export const signals = {
  attributes: {
    'server.address': {
      on: 'all',
      brief: 'the host that was called; of a request to us the address we listen on',
    },
    'server.port': {
      on: 'spans',
      brief: 'its port',
    },
    'onbehalf.connection.wait': {
      on: 'spans',
      brief:
        'what a call by us waited for its connection (DNS, TCP, TLS, or one to become free), in ms; not where it waited less than one',
    },
    'onbehalf.connection.dns': {
      on: 'spans',
      brief: 'of that, what the look-up of the name took where the connection was new; not less than one',
    },
    'onbehalf.connection.tcp': {
      on: 'spans',
      brief: 'likewise, until TCP was connected',
    },
    'onbehalf.connection.tls': {
      on: 'spans',
      brief: "likewise, TLS' handshake",
    },
    'onbehalf.validation.result': {
      on: 'all',
      brief: 'how the check of a bearer token ended',
      values: ['ok', 'expired', 'signature', 'audience', 'claims', 'unavailable'],
    },
    'onbehalf.reload.what': {
      on: 'metrics',
      brief: 'which files',
      values: ['keys', 'clients', 'redis'],
    },
    'onbehalf.result': {
      on: 'metrics',
      brief: 'how it ended',
      values: ['ok', 'failed'],
    },
  },
  spans: {
    'token.validate': {
      brief: 'the check of a bearer token',
    },
    'jwks.refresh': {
      brief: 'the fetch of signing keys',
    },
  },
  metrics: {
    'http.client.request.duration': {
      kind: 'histogram',
      unit: 's',
      brief: 'requests by us',
      attributes: ['http.request.method', 'server.address', 'http.response.status_code', 'error.type'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    },
    'onbehalf.token.validate.duration': {
      kind: 'histogram',
      unit: 's',
      brief: 'checks of bearer tokens',
      attributes: ['onbehalf.validation.result'],
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1, 5],
    },
    'onbehalf.reload': {
      kind: 'counter',
      unit: '{reload}',
      brief: 'mounted files read anew',
      attributes: ['onbehalf.reload.what', 'onbehalf.result'],
    },
    'onbehalf.jwks.refresh': {
      kind: 'counter',
      unit: '{fetch}',
      brief: 'fetches of signing keys',
      attributes: ['onbehalf.result'],
    },
  },
} satisfies Registry;
