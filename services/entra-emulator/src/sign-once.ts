import type { Claims, Keys } from './keys.ts';
import type { Sign } from './tokens.ts';

/** A signature for every token, as Entra makes them. */
export function signEach(keys: Keys): Sign {
  return (claims) => ({ token: keys.sign(claims), exp: claims.exp });
}

const reuseSeconds = 1;
/** A held token is given out until then, so that nobody gets one that is about to expire. */
const leaveSeconds = 600;

/**
 * Signing for load: an RSA signature costs more than all the rest of a token, so equal claims are signed once a second;
 * held ones (`POST /pool`) once in a token's life. Without a nonce, `sid` may then be another
 * session's.
 */
export function signOnce(keys: Keys, now: () => number): Sign {
  const signed = new Map<string, { token: string; exp: number; until: number }>();
  let sweptAt = now();
  const sweep = () => {
    if (now() - sweptAt < reuseSeconds) return;
    sweptAt = now();
    for (const [key, { until }] of signed) if (until <= sweptAt) signed.delete(key);
  };
  return (claims, hold = false) => {
    const key = keyOf(claims);
    const found = signed.get(key);
    if (found && found.until > now()) return found;
    sweep();
    const { exp } = claims;
    const entry = { token: keys.sign(claims), exp, until: hold ? exp - leaveSeconds : now() + reuseSeconds };
    signed.set(key, entry);
    return entry;
  };
}

/** Equal but for what differs between any two tokens; of the opaque `aio` only the end says something. */
function keyOf(claims: Claims): string {
  const { iat: _, nbf: __, exp: ___, uti: ____, rh: _____, xms_ftd: ______, aio, sid, ...rest } = claims;
  const generation = String(aio).split('.').slice(1);
  return JSON.stringify([rest, generation, 'nonce' in claims && sid]);
}
