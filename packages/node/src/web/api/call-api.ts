import type { IncomingMessage } from 'node:http';
import { type Apis, inOurWords, knownScopes } from '../apis/apis.ts';
import type { Acquired, Broker, StepUp } from '../broker/broker.ts';
import { parseStepUp } from '../broker/challenge.ts';
import { claimsFor, type Session } from '../session/session.ts';

/** One call of an API on behalf of the session's person. */
export type Call<R> = {
  session: Session;
  /** `<api>/<path>`, `short`: the session keeps a step-up of this call under it. */
  target: string;
  scopes: string[];
  /** Whether sending it a second time is safe and possible. */
  repeatable: boolean;
  traceId: string;
  send: (accessToken: string) => Promise<R>;
  /** Its status and its `WWW-Authenticate`. */
  headOf: (response: R) => { status: number | undefined; challenge: string | undefined };
  /** Lets go of a response that is not used. */
  drop: (response: R) => void;
};

export type Called<R> = { kind: 'response'; response: R } | Exclude<Acquired, { kind: 'token' }>;

/**
 * Gets a token and makes the call. A claims challenge of the API is taken to the broker once, and the call repeated if
 * it may be; what only the person can satisfy is a `step_up`.
 * @throws Fault as the broker's `exchange` and `requestApi`.
 */
export async function callApi<R>(
  { broker, ...ours }: { broker: Broker; apis: Apis; graph: string },
  call: Call<R>,
): Promise<Called<R>> {
  const acquire = (claims: string | undefined) =>
    broker.exchange({ token: call.session.token, scopes: call.scopes, claims }, call.traceId);

  let claims = claimsFor(call.session, call.target);
  for (let attempt = 1; ; attempt += 1) {
    const acquired = await acquire(claims);
    if (acquired.kind !== 'token') return acquired;
    const response = await call.send(acquired.accessToken);
    const stepUp = readStepUp(ours, call.scopes, call.headOf(response));
    if (!stepUp) return { kind: 'response', response };
    call.drop(response);
    const hopeless = stepUp.claims === undefined || stepUp.claims === claims || attempt === 2 || !call.repeatable;
    if (hopeless) return { kind: 'step_up', stepUp };
    claims = stepUp.claims;
  }
}

function readStepUp(
  { apis, graph }: { apis: Apis; graph: string },
  own: string[],
  { status, challenge }: { status: number | undefined; challenge: string | undefined },
): StepUp | undefined {
  if (status !== 401 && status !== 403) return undefined;
  const asked = parseStepUp(challenge);
  if (asked?.claims) return { kind: 'claims', claims: asked.claims };
  // A scope that is not configured is not the person's to consent to: the response is shown as it is.
  const scopes = asked?.scope === undefined ? undefined : knownScopes(apis, inOurWords(asked.scope, own, graph), graph);
  return scopes && scopes.length > 0 ? { kind: 'consent', scopes } : undefined;
}

/** How a response of node:http is read. */
export const nodeReading = {
  headOf: ({ statusCode: status, headers }: IncomingMessage) => ({ status, challenge: headers['www-authenticate'] }),
  drop: (response: IncomingMessage) => void response.resume(),
};

/** What a person must do first. */
export function toStepUp(called: Exclude<Called<never>, { kind: 'response' }>): StepUp {
  return called.kind === 'ended' ? { kind: 'sign_in' } : called.stepUp;
}
