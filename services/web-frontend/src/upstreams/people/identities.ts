import type { KeyObject } from 'node:crypto';
import type { KeyRing } from '@onbehalf/node/core/keys/key-ring';
import type { Session } from '@onbehalf/node/web/session/session';
import { SignJWT } from 'jose';
import { identity } from '../../lifetimes.ts';
import type { Upstream } from '../file/upstreams-file.ts';
import type { Admission } from './admission.ts';
import { identityKeyOf } from './identity-key.ts';
import { ShortMemory } from './short-memory.ts';

type IdentitiesDeps = { keys: () => KeyRing; issuer: string; nowMs: () => number };

/** The plain headers about a person; always all of them, so that none of somebody else stays. */
export const identityHeaderNames = ['X-Auth-Subject', 'X-Auth-Tenant', 'X-Auth-Name', 'X-Auth-Username'] as const;

/** So many JWTs of some 700 bytes are kept. */
const mostKept = 5_000;

type Told = Pick<Upstream, 'name' | 'pass' | 'identityHeaders'>;

/** What an upstream is told of the person: a token, a JWT of ours, plain headers. */
export class Identities {
  readonly #deps: IdentitiesDeps;
  readonly #signed: ShortMemory<string>;

  constructor(deps: IdentitiesDeps) {
    this.#deps = deps;
    this.#signed = new ShortMemory(identity.reuseSeconds * 1_000, deps.nowMs, mostKept);
  }

  /** Headers as `rawHeaders` has them; none for nobody. */
  async headers({ name, pass, identityHeaders }: Told, admission: Admission): Promise<string[]> {
    if (admission.kind !== 'person') return [];
    const { session, accessToken } = admission;
    const token = pass === 'identity' ? await this.#jwt(session, name) : accessToken;
    const bearer = token === undefined ? [] : ['Authorization', `Bearer ${token}`];
    return identityHeaders ? [...bearer, ...plainHeaders(session)] : bearer;
  }

  /** The public keys of all that may have signed. RFC 7517. */
  jwks(): { keys: object[] } {
    return { keys: [...this.#deps.keys().keys.values()].map((key) => identityKeyOf(key).publicJwk) };
  }

  /** Who the person is, for one upstream: `aud` is its name in the file. RFC 7519. */
  #jwt(session: Session, audience: string): Promise<string> {
    const { keys, issuer, nowMs } = this.#deps;
    const { current, keys: ring } = keys();
    const { kid, privateKey } = identityKeyOf(ring.get(current) as KeyObject);
    const { oid, tid, name, username } = session;
    return this.#signed.get(session.token, `${audience} ${kid}`, () => {
      const now = Math.floor(nowMs() / 1_000);
      return new SignJWT({ oid, tid, name, preferred_username: username })
        .setProtectedHeader({ alg: 'ES256', kid, typ: 'JWT' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(oid)
        .setIssuedAt(now)
        .setExpirationTime(now + identity.seconds)
        .sign(privateKey);
    });
  }
}

/** Requests at about the same time share a session. */
const written = new WeakMap<Session, readonly string[]>();

/** The plain headers of a person, or of nobody; what is not ASCII is percent-encoded UTF-8. */
export function plainHeaders(session: Session | undefined): readonly string[] {
  const known = session && written.get(session);
  if (known) return known;
  const values = [session?.oid, session?.tid, session?.name, session?.username];
  const headers = identityHeaderNames.flatMap((name, at) => [name, encoded(values[at] ?? '')]);
  if (session) written.set(session, headers);
  return headers;
}

const encoded = (text: string) =>
  text.replace(/[^\x20-\x24\x26-\x7e]+/gu, (part) => encodeURIComponent(part.toWellFormed()));
