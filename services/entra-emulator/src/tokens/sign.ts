import type { Lifetimes } from '../lifetimes.ts';
import { type Claims, opaque } from './jwt.ts';
import type { Keys } from './keys.ts';

export type Minted = { token: string; expiresIn: number };

type SignOptions = {
  /** Seconds. */
  life: number;
  /** In load mode: keep the token for its whole life. */
  hold?: boolean;
};

/** Makes a token of claims, and adds what differs between any two: times, `uti`, `rh`, the beginning of `aio`. */
export type Sign = (claims: Claims, options: SignOptions) => Minted;

const reuseSeconds = 1;
/** A held token is given out until so long before its end: nobody gets one that is about to expire. */
const leaveSeconds = 600;

/** A signature for every token, as Entra makes them. */
export function signEach(keys: Keys, now: () => number, lifetimes: Lifetimes): Sign {
  const times = (life: number) => ({ issued: Math.floor(now()), life, backdate: lifetimes.backdate });
  return (claims, { life }) => ({ token: keys.sign(stamp(claims, times(life))), expiresIn: life });
}

/**
 * Signing for load: an RSA signature costs more than all the rest of a token, so equal claims are signed once a second,
 * held ones (`POST /pool`) once in a token's life. Without a nonce, `sid` may then be another session's.
 */
export function signOnce(keys: Keys, now: () => number, lifetimes: Lifetimes): Sign {
  const signed = new Map<string, { token: string; exp: number; until: number }>();
  let sweptAt = now();
  const sweep = () => {
    if (now() - sweptAt < reuseSeconds) return;
    sweptAt = now();
    for (const [key, { until }] of signed) if (until <= sweptAt) signed.delete(key);
  };
  return (claims, { life, hold = false }) => {
    const issued = Math.floor(now());
    const { backdate } = lifetimes;
    const key = JSON.stringify([life, backdate, 'nonce' in claims ? claims : { ...claims, sid: undefined }]);
    const found = signed.get(key);
    if (found && found.until > now() && !hold) return { token: found.token, expiresIn: found.exp - issued };
    sweep();
    const exp = issued + life;
    const token = keys.sign(stamp(claims, { issued, life, backdate }));
    signed.set(key, { token, exp, until: hold ? exp - leaveSeconds : now() + reuseSeconds });
    return { token, expiresIn: life };
  };
}

function stamp(claims: Claims, { issued, life, backdate }: { issued: number; life: number; backdate: number }): Claims {
  const aio = `${opaque()}${claims.aio ?? ''}`;
  const iat = issued - backdate;
  return { ...claims, iat, nbf: iat, exp: issued + life, aio, rh: `1.${opaque()}`, uti: opaque() };
}
