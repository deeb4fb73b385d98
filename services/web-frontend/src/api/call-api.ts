import type { IncomingMessage } from 'node:http';
import { type Apis, inOurWords, knownScopes } from '../apis.ts';
import type { Acquired, Broker, Demand } from '../broker/broker.ts';
import { bearerDemand } from '../broker/challenge.ts';
import { claimsFor, type Session } from '../session/session.ts';

/** One call of an API on behalf of the session's person. */
export type Call = {
  session: Session;
  /** `<api>/<path>`, `short`: what a demand of this call is remembered under. */
  target: string;
  scopes: string[];
  /** Whether sending it a second time is safe and possible. */
  repeatable: boolean;
  traceId: string;
  send: (accessToken: string) => Promise<IncomingMessage>;
};

export type Called = { kind: 'answer'; answer: IncomingMessage } | Exclude<Acquired, { kind: 'token' }>;

/**
 * Gets a token and makes the call. A claims challenge of the API is taken to the broker once, and the call repeated if
 * it may be; what only the person can satisfy is a `demand`.
 * @throws Fault as the broker's `exchange` and `requestApi`.
 */
export async function callApi(
  { broker, ...ours }: { broker: Broker; apis: Apis; graph: string },
  call: Call,
): Promise<Called> {
  const acquire = (claims: string | undefined) =>
    broker.exchange({ token: call.session.token, scopes: call.scopes, claims }, call.traceId);

  let claims = claimsFor(call.session, call.target);
  for (let attempt = 1; ; attempt += 1) {
    const acquired = await acquire(claims);
    if (acquired.kind !== 'token') return acquired;
    const answer = await call.send(acquired.accessToken);
    const demand = demandOf(ours, call.scopes, answer);
    if (!demand) return { kind: 'answer', answer };
    answer.resume();
    const hopeless = demand.claims === undefined || demand.claims === claims || attempt === 2 || !call.repeatable;
    if (hopeless) return { kind: 'demand', demand };
    claims = demand.claims;
  }
}

function demandOf(
  { apis, graph }: { apis: Apis; graph: string },
  own: string[],
  { statusCode, headers }: IncomingMessage,
): Demand | undefined {
  if (statusCode !== 401 && statusCode !== 403) return undefined;
  const asked = bearerDemand(headers['www-authenticate']);
  if (asked?.claims) return { kind: 'claims', claims: asked.claims };
  // A scope that is not configured is not the person's to consent to: the answer is shown as it is.
  const scopes = asked?.scope === undefined ? undefined : knownScopes(apis, inOurWords(asked.scope, own, graph), graph);
  return scopes && scopes.length > 0 ? { kind: 'consent', scopes } : undefined;
}
