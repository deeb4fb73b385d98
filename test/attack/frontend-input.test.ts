import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseChallenges } from '@onbehalf/node/core/challenge';
import type { KeyRing } from '@onbehalf/node/core/keys/key-ring';
import { apiTarget } from '@onbehalf/node/web/api/api-wire';
import { apisSchema, knownScopes } from '@onbehalf/node/web/apis/apis';
import { maxClaimsLength, parseStepUp } from '@onbehalf/node/web/broker/challenge';
import { cookiesOf } from '@onbehalf/node/web/session/cookies';
import { createSeal } from '@onbehalf/node/web/session/seal';
import { parseParameters } from '@onbehalf/node/web/sign-in/form';
import { returnPath } from '@onbehalf/node/web/sign-in/return-path';
import fc from 'fast-check';
import { z } from 'zod';
import { hostile, hostileJson, runs, unlessRefused } from './faults.ts';

const origin = 'https://app.example.test';
const newRing = (): KeyRing => ({ current: 'k1', keys: new Map([['k1', createSecretKey(randomBytes(32))]]) });

describe('whatever a browser sends', () => {
  it('as return_to stays at our origin, is a page, and is the same once more', () => {
    const written = fc.oneof(
      hostile,
      hostile.map((text) => `/${text}`),
      fc.webUrl(),
      fc.webPath().map((path) => `/${path}`),
    );
    fc.assert(
      fc.property(written, (value) => {
        const path = returnPath(value, { origin, prefix: '' });
        const url = new URL(path, origin);
        assert.equal(url.origin, origin);
        assert.match(path, /^\/(?!\/)/);
        assert.equal(returnPath(path, { origin, prefix: '' }), path);
      }),
      runs,
    );
  });

  it('as cookies is read without a throw, and never as more than it says', () => {
    fc.assert(
      fc.property(hostile, (cookie) => {
        for (const [name, value] of cookiesOf({ headers: { cookie } }))
          assert.ok(cookie.includes(name) && cookie.includes(value));
      }),
      runs,
    );
    const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
    fc.assert(
      fc.property(fc.dictionary(name, fc.base64String()), (cookies) => {
        const cookie = Object.entries(cookies)
          .map((pair) => pair.join('='))
          .join('; ');
        assert.deepEqual(Object.fromEntries(cookiesOf({ headers: { cookie } })), { ...cookies });
      }),
      runs,
    );
  });

  it('as a sealed value does not open, unless we sealed it for just this', async () => {
    const seal = createSeal(newRing);
    const mine = createSeal(
      (
        (ring) => () =>
          ring
      )(newRing()),
    );
    const schema = z.record(z.string(), z.unknown());
    // The schema drops this one, and that is well.
    const name = fc.string().filter((text) => text !== '__proto__');
    await fc.assert(
      fc.asyncProperty(hostile, fc.dictionary(name, fc.string()), fc.nat(), async (text, value, at) => {
        assert.equal(await seal.open('session', text, schema), undefined);
        const sealed = await mine.seal('session', value);
        assert.deepEqual((await mine.open('session', sealed, schema))?.value, { ...value });
        assert.equal(await mine.open('challenge', sealed, schema), undefined);
        assert.equal(await seal.open('session', sealed, schema), undefined, 'another ring');
        assert.equal(await mine.open('session', spoilt(sealed, at), schema), undefined, 'one character changed');
      }),
      { ...runs, numRuns: 150 },
    );
  });

  it('as a query or form is what the schema says, or invalid_request', () => {
    const schema = z.object({ sid: z.string().min(1).max(256), iss: z.string().max(2_048).optional() });
    fc.assert(
      fc.property(hostileJson, (input) => {
        const parsed = unlessRefused(() => parseParameters(schema, input), 'invalid_request');
        if (parsed) assert.ok(typeof parsed.sid === 'string' && parsed.sid.length <= 256);
      }),
      runs,
    );
  });

  it('as an address below /api is one plain path, or nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          hostile.map((text) => `/api/orders/${text}`),
        ),
        (target) => {
          const found = apiTarget(target);
          if (!found) return;
          const url = new URL(`https://api.example.test/base${found.path}${found.query}`);
          assert.equal(url.origin, 'https://api.example.test');
          assert.equal(url.pathname, `/base${found.path}`, 'a URL parser reads it otherwise');
          assert.equal(target, `/api/${found.name}${found.path}${found.query}`);
        },
      ),
      runs,
    );
  });

  it('as scope names configured scopes only', () => {
    const apis = apisSchema.parse({ orders: { url: origin, scopes: ['api://orders/read'], routes: [] } });
    const ours = ['api://orders/read', 'api://orders/.default'];
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          fc.array(fc.constantFrom('read', ...ours, 'x', '')).map((all) => all.join(' ')),
        ),
        (asked) => {
          for (const scope of knownScopes(apis, asked, 'https://graph.microsoft.com') ?? [])
            assert.ok(ours.includes(scope), scope);
        },
      ),
      runs,
    );
  });
});

describe('whatever an API answers as WWW-Authenticate', () => {
  it('is read without a throw; claims are a JSON object that fits a cookie', () => {
    const encoded = hostileJson.map((value) => Buffer.from(JSON.stringify(value)).toString('base64'));
    const header = fc.oneof(
      hostile,
      fc
        .tuple(encoded, hostile)
        .map(([claims, rest]) => `Bearer error="insufficient_claims", claims="${claims}"${rest}`),
    );
    fc.assert(
      fc.property(header, (value) => {
        const { claims } = parseStepUp(value) ?? {};
        if (claims === undefined) return;
        assert.ok(claims.length <= maxClaimsLength);
        const parsed: unknown = JSON.parse(claims);
        assert.ok(typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed));
      }),
      runs,
    );
  });

  it('comes back as it was meant: schemes, and parameters of any text', () => {
    const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);
    const challenges = fc.array(
      fc.record({
        scheme: token,
        parameters: fc.dictionary(token, fc.string({ unit: 'grapheme-ascii' }), { minKeys: 1 }),
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(challenges, (meant) => {
        const written = meant.map(({ scheme, parameters }) => {
          const list = Object.entries(parameters).map(
            ([name, value]) => `${name}="${value.replaceAll(/["\\]/g, '\\$&')}"`,
          );
          return `${scheme} ${list.join(', ')}`;
        });
        const read = parseChallenges(written.join(', ')).map(({ scheme, parameters }) => ({
          scheme,
          parameters: { ...parameters },
        }));
        assert.deepEqual(
          read,
          meant.map(({ scheme, parameters }) => ({ scheme, parameters: { ...parameters } })),
        );
      }),
      runs,
    );
  });
});

/** One character of a sealed value replaced by another of the same alphabet; not the last ones, whose bits may be spare. */
function spoilt(sealed: string, seed: number): string {
  const at = seed % (sealed.length - 30);
  if (sealed[at] === '.') return sealed.slice(1);
  return `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`;
}
