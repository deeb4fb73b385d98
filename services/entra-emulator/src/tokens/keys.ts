import { createHash, generateKeyPair, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';

/** Published are all but the retired: `staged` will sign, `former` signed. */
type KeyState = 'staged' | 'active' | 'former' | 'retired';

type SigningKey = { kid: string; state: KeyState; privateKey: KeyObject; publicKey: KeyObject };

export type Claims = Record<string, unknown>;

/** Verified tokens that are remembered. */
const rememberedVerdicts = 10_000;

const generate = promisify(generateKeyPair);

/** The emulator's RS256 signing keys and their rollover: stage, activate, retire. */
export type Keys = Awaited<ReturnType<typeof createKeys>>;

export async function createKeys() {
  const keys = [await createKey('active')];
  /** Tokens of ours that were verified: an assertion comes again and again. */
  const verified = new Map<string, Claims>();
  /** Signs, but was never published. */
  let foreign: SigningKey | undefined;
  const active = () => keys.find((key) => key.state === 'active') as SigningKey;
  const published = () => keys.filter((key) => key.state !== 'retired');

  const signWith = (key: SigningKey, claims: Claims, header: Claims = {}) => {
    const input = `${encode({ typ: 'JWT', alg: 'RS256', kid: key.kid, ...header })}.${encode(claims)}`;
    return `${input}.${sign('sha256', Buffer.from(input), key.privateKey).toString('base64url')}`;
  };

  return {
    /** A compact JWT by the active key; its header is exactly `typ alg kid`. */
    sign: (claims: Claims) => signWith(active(), claims),
    /** As `sign`, with any header and a key that is no longer, or never was, published. */
    async forge(claims: Claims, header: Claims, which: 'active' | 'retired' | 'foreign') {
      if (which === 'foreign') foreign ??= await createKey('retired');
      const key = { active: active(), retired: keys.find(({ state }) => state === 'retired'), foreign }[which];
      return key && signWith(key, claims, header);
    },
    /** The claims of a JWT that a published key of ours signed, whatever its times; else undefined. */
    verify(jws: string): Claims | undefined {
      const known = verified.get(jws);
      if (known) return known;
      const [header, payload, signature, rest] = jws.split('.');
      if (!header || !payload || !signature || rest !== undefined) return undefined;
      const { alg, kid } = decode(header) ?? {};
      const key = alg === 'RS256' ? published().find((candidate) => candidate.kid === kid) : undefined;
      const input = Buffer.from(`${header}.${payload}`);
      if (!key || !verify('sha256', input, key.publicKey, Buffer.from(signature, 'base64url'))) return undefined;
      const claims = decode(payload);
      if (verified.size >= rememberedVerdicts) verified.clear();
      if (claims) verified.set(jws, claims);
      return claims;
    },
    /** RFC 7517, with the members Entra gives. */
    jwks: (issuer: string) => ({
      keys: published().map(({ kid, publicKey }) => {
        const { kty, n, e } = publicKey.export({ format: 'jwk' });
        return { kty, use: 'sig', kid, x5t: kid, n, e, issuer };
      }),
    }),
    list: () => keys.map(({ kid, state }) => ({ kid, state })),
    /** Publishes one more key, which does not sign yet. */
    async stage() {
      keys.push(await createKey('staged'));
    },
    /** Lets the newest staged key sign; the former stays published. @returns whether there was one. */
    activate(): boolean {
      const next = keys.findLast((key) => key.state === 'staged');
      if (!next) return false;
      active().state = 'former';
      next.state = 'active';
      return true;
    },
    /** Withdraws every key but the active one. */
    retire() {
      verified.clear();
      for (const key of keys) if (key.state !== 'active') key.state = 'retired';
    },
  };
}

async function createKey(state: SigningKey['state']): Promise<SigningKey> {
  const pair = await generate('rsa', { modulusLength: 2048 });
  const kid = createHash('sha1')
    .update(pair.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  return { kid, state, ...pair };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** One base64url JSON part of a JWT; undefined if it is not an object. */
export function decode(part: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Claims) : undefined;
  } catch {
    return undefined;
  }
}

/** A value as opaque as Entra's `uti`, `aio` and `rh`. */
export function opaque(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
}
