import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClusterSystem } from './kit/system.ts';

type Sent = { status?: number; body?: string; error?: string };
/** Whose token comes, for whom it is, and what the broker says to it. */
type Row = [
  what: string,
  token: (system: ClusterSystem) => Promise<string | undefined>,
  status: number,
  error?: string,
];

const tokenOf = (account: string, audience: string, { elsewhere = false } = {}) => {
  return async ({ cluster, ...names }: ClusterSystem) => {
    const namespace = elsewhere ? names.elsewhere : names.namespace;
    const args = ['-n', namespace, 'create', 'token', account, '--duration', '10m'];
    return (await cluster.kubectl([...args, ...(audience ? ['--audience', audience] : [])])).trim();
  };
};

/** The same token, with another signature. */
const forged = async (system: ClusterSystem) =>
  (await tokenOf('probe', 'token-broker')(system)).replace(/[^.]+$/, 'AAAA');

const rows: Row[] = [
  ['of a client', tokenOf('probe', 'token-broker'), 200],
  ['of nobody', async () => undefined, 401, 'invalid_client'],
  ['of another ServiceAccount of the namespace', tokenOf('default', 'token-broker'), 401, 'invalid_client'],
  [
    'of a ServiceAccount of another namespace',
    tokenOf('default', 'token-broker', { elsewhere: true }),
    401,
    'invalid_client',
  ],
  ['of a client, for another audience', tokenOf('probe', 'somebody-else'), 401, 'invalid_client'],
  ['of a client, for the API server', tokenOf('probe', ''), 401, 'invalid_client'],
  ['of a client, forged', forged, 401, 'invalid_client'],
];

/** The production path: tokens that the API server signs, held against its own issuer and keys. */
export function callers(system: () => ClusterSystem): void {
  describe('the broker, by the keys of the cluster’s issuer,', () => {
    for (const [what, tokenFrom, status, error] of rows) {
      it(`answers ${status} to a token ${what}`, async () => {
        const token = await tokenFrom(system());
        const form = new URLSearchParams({ token: 'nobody' });
        if (token) {
          form.set('client_assertion', token);
          form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
        }
        const sent = await system().agent<Sent>('probe', '/send', {
          url: `http://onbehalf-token-broker.${system().namespace}.svc:8080/oauth2/introspect`,
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: String(form),
        });
        assert.equal(sent.status, status, JSON.stringify(sent));
        if (error) assert.equal(JSON.parse(sent.body ?? '').error, error);
      });
    }
  });
}
