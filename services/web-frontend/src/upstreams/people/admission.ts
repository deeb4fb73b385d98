import type { IncomingMessage } from 'node:http';
import type { Apis } from '@onbehalf/node/web/apis/apis';
import type { Acquired, Broker, StepUp } from '@onbehalf/node/web/broker/broker';
import { cookiesOf } from '@onbehalf/node/web/session/cookies';
import { locationOf } from '@onbehalf/node/web/session/location';
import {
  claimsFor,
  type OpenedSession,
  type Session,
  type Sessions,
  sessionCookie,
} from '@onbehalf/node/web/session/session';
import { sharedWordMs } from '../../lifetimes.ts';
import type { Upstream } from '../file/upstreams-file.ts';
import { ShortMemory } from './short-memory.ts';

/** Whether a request may go on, as whom, and with which token. `stale`: the session's cookie is to be sealed anew. */
export type Admission =
  | { kind: 'nobody' }
  | { kind: 'person'; session: Session; stale: boolean; accessToken?: string; scopes: string[] }
  | { kind: 'no_session' }
  | { kind: 'ended'; session: Session }
  | { kind: 'step_up'; session: Session; stepUp: StepUp; scopes: string[] };

type Asked = {
  upstream: Pick<Upstream, 'require' | 'pass' | 'api' | 'identityHeaders'>;
  target: string;
  traceId: string;
};

type AdmissionsDeps = {
  apis: Apis;
  broker: Pick<Broker, 'introspect' | 'exchange' | 'onEnd'>;
  sessions: Pick<Sessions, 'open'>;
  nowMs: () => number;
};

const person = { kind: 'person' as const, scopes: [] as string[] };
const ended = { kind: 'ended' as const };

/**
 * Lets people in by the broker's word. Requests at about the same time share it: a page and its forty files are one
 * call. It is asked again after a second, and at once where the session has ended here.
 */
export class Admissions {
  readonly #deps: AdmissionsDeps;
  readonly #opened: ShortMemory<OpenedSession | undefined>;
  readonly #living: ShortMemory<boolean>;
  readonly #tokens: ShortMemory<Acquired>;

  constructor(deps: AdmissionsDeps) {
    this.#deps = deps;
    this.#opened = new ShortMemory(sharedWordMs, deps.nowMs);
    this.#living = new ShortMemory(sharedWordMs, deps.nowMs);
    this.#tokens = new ShortMemory(sharedWordMs, deps.nowMs);
    deps.broker.onEnd((token) => {
      this.#living.forget(token);
      this.#tokens.forget(token);
    });
  }

  /** @throws Fault as the broker's `introspect` and `exchange`. */
  async admit(req: IncomingMessage, { upstream, target, traceId }: Asked): Promise<Admission> {
    const { require, pass, identityHeaders } = upstream;
    if (require === 'none' && pass === 'none' && !identityHeaders) return { kind: 'nobody' };
    const stranger = { kind: require === 'none' ? 'nobody' : 'no_session' } as const;
    const location = locationOf(req);
    const sealed = cookiesOf(req).get(location.cookie(sessionCookie));
    const open = (cookie: string) => this.#deps.sessions.open(cookie, location);
    const opened = sealed && (await this.#opened.get(sealed, location.url, () => open(sealed)));
    if (!opened) return stranger;
    const { value: session, stale } = opened;
    const admission = await this.#ask(session, { upstream, target, traceId });
    if (admission.kind === 'person') return { ...admission, session, stale };
    return require === 'none' ? stranger : { ...admission, session };
  }

  /** Whether a session lives, as far as the broker said so within a second. @throws Fault as `introspect`. */
  lives(token: string, traceId: string): Promise<boolean> {
    const ask = async () => (await this.#deps.broker.introspect(token, traceId)) !== undefined;
    return this.#living.get(token, '', ask);
  }

  async #ask(session: Session, { upstream: { pass, api = '' }, target, traceId }: Asked) {
    if (pass !== 'token') return (await this.lives(session.token, traceId)) ? person : ended;
    const scopes = this.#deps.apis[api]?.scopes ?? [];
    const claims = claimsFor(session, target);
    const asked = { token: session.token, scopes, claims };
    const acquired = await this.#tokens.get(session.token, JSON.stringify([scopes, claims]), () =>
      this.#deps.broker.exchange(asked, traceId),
    );
    if (acquired.kind === 'token') return { kind: 'person', accessToken: acquired.accessToken, scopes } as const;
    return acquired.kind === 'ended' ? acquired : { ...acquired, scopes };
  }
}
