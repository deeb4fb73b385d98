import type { Claims, Keys } from './keys.ts';
import type { Sign } from './tokens.ts';

/** A signature for every token, as Entra makes them. */
export function signEach(keys: Keys): Sign {
  return (claims) => ({ token: keys.sign(claims), exp: claims.exp });
}

/** What differs between two tokens that are otherwise the same. */
const volatile = new Set(['iat', 'nbf', 'exp', 'uti', 'rh', 'xms_ftd']);
const reuseSeconds = 1;
/** A held token is given out until then, so that nobody gets one that is about to expire. */
const leaveSeconds = 600;

/**
 * Signing for load: an RSA signature costs more than all the rest of a token, so equal claims are signed once a second;
 * held ones (`POST /pool`) once in a token's life. An access token's `sid` may then be another session's.
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

function keyOf(claims: Claims): string {
  return JSON.stringify(claims, (name, value) => {
    if (volatile.has(name) || (name === 'sid' && 'scp' in claims)) return undefined;
    // Of the opaque `aio` only the end says something.
    return name === 'aio' ? String(value).replace(/^[^.]*/, '') : value;
  });
}
