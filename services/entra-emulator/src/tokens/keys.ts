import { createHash, generateKeyPair, type KeyObject, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { type Claims, decode, encode } from './jwt.ts';

/** All but the retired are published: `staged` will sign, `former` has signed. */
type KeyState = 'staged' | 'active' | 'former' | 'retired';

type SigningKey = { kid: string; state: KeyState; privateKey: KeyObject; publicKey: KeyObject };

const maxRememberedTokens = 10_000;

const generate = promisify(generateKeyPair);

/** The emulator's RS256 signing keys and their rollover: stage, activate, retire. */
export class Keys {
  readonly #keys: SigningKey[];
  /** Verified tokens of ours: the same assertion is often sent again. */
  readonly #verified = new Map<string, Claims>();
  /** It signs, but is never published. */
  #foreign: SigningKey | undefined;

  private constructor(first: SigningKey) {
    this.#keys = [first];
  }

  /** Makes the first key, which signs. */
  static async create(): Promise<Keys> {
    return new Keys(await createKey('active'));
  }

  /** A compact JWT by the active key; its header is exactly `typ alg kid`. */
  sign(claims: Claims): string {
    return signWith(this.#active, claims);
  }

  /** As `sign`, with any header and a key that is no longer published, or never was. Undefined if no key is retired. */
  async forge(claims: Claims, header: Claims, which: 'active' | 'retired' | 'foreign'): Promise<string | undefined> {
    if (which === 'foreign') this.#foreign ??= await createKey('retired');
    const retired = this.#keys.find(({ state }) => state === 'retired');
    const key = { active: this.#active, retired, foreign: this.#foreign }[which];
    return key && signWith(key, claims, header);
  }

  /** The claims of a JWT that a published key of ours signed, whatever its times; else undefined. */
  verify(jws: string): Claims | undefined {
    const known = this.#verified.get(jws);
    if (known) return known;
    const [header, payload, signature, rest] = jws.split('.');
    if (!header || !payload || !signature || rest !== undefined) return undefined;
    const { alg, kid } = decode(header) ?? {};
    const key = alg === 'RS256' ? this.#published.find((candidate) => candidate.kid === kid) : undefined;
    const input = Buffer.from(`${header}.${payload}`);
    if (!key || !verify('sha256', input, key.publicKey, Buffer.from(signature, 'base64url'))) return undefined;
    const claims = decode(payload);
    if (this.#verified.size >= maxRememberedTokens) this.#verified.clear();
    if (claims) this.#verified.set(jws, claims);
    return claims;
  }

  /** RFC 7517, with the members Entra gives. */
  jwks(issuer: string): { keys: Claims[] } {
    const keys = this.#published.map(({ kid, publicKey }) => {
      const { kty, n, e } = publicKey.export({ format: 'jwk' });
      return { kty, use: 'sig', kid, x5t: kid, n, e, issuer };
    });
    return { keys };
  }

  list(): { kid: string; state: KeyState }[] {
    return this.#keys.map(({ kid, state }) => ({ kid, state }));
  }

  /** Publishes one more key, which does not sign yet. */
  async stage(): Promise<void> {
    this.#keys.push(await createKey('staged'));
  }

  /** Lets the newest staged key sign; the former stays published. @returns whether there was one. */
  activate(): boolean {
    const next = this.#keys.findLast((key) => key.state === 'staged');
    if (!next) return false;
    this.#active.state = 'former';
    next.state = 'active';
    return true;
  }

  /** Withdraws every key but the active one. */
  retire(): void {
    this.#verified.clear();
    for (const key of this.#keys) if (key.state !== 'active') key.state = 'retired';
  }

  get #active(): SigningKey {
    return this.#keys.find((key) => key.state === 'active') as SigningKey;
  }

  get #published(): SigningKey[] {
    return this.#keys.filter((key) => key.state !== 'retired');
  }
}

function signWith(key: SigningKey, claims: Claims, header: Claims = {}): string {
  const input = `${encode({ typ: 'JWT', alg: 'RS256', kid: key.kid, ...header })}.${encode(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), key.privateKey).toString('base64url')}`;
}

async function createKey(state: SigningKey['state']): Promise<SigningKey> {
  const pair = await generate('rsa', { modulusLength: 2048 });
  const kid = createHash('sha1')
    .update(pair.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  return { kid, state, ...pair };
}
