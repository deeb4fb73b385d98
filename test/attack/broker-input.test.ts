import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type FakeIssuer, openIssuer } from '@onbehalf/node/core/keys/issuer.fake';
import type { KeyRing } from '@onbehalf/node/core/keys/key-ring';
import fc from 'fast-check';
import { z } from 'zod';
import {
  assertionType,
  Callers,
  clusterKeys,
  unverifiedClaims,
} from '../../services/token-broker/src/clients/callers.ts';
import { parseClients } from '../../services/token-broker/src/clients/clients.ts';
import { readConfig } from '../../services/token-broker/src/config.ts';
import { parameters, parseForm } from '../../services/token-broker/src/input/form.ts';
import { createSealing } from '../../services/token-broker/src/store/sealing.ts';
import { hostile, hostileJson, runs, unlessRefused, unlessRefusedLater } from './faults.ts';

const subject = 'system:serviceaccount:onbehalf:web';
const goodClient = {
  ...{ tenantId: '11111111-1111-4111-8111-111111111111', clientId: '22222222-2222-4222-8222-222222222222' },
  ...{
    subjects: [subject],
    credentials: [{ type: 'federated' }],
    grants: ['client_credentials'],
    scopes: ['x/.default'],
  },
};

describe('whatever a caller sends', () => {
  let issuer: FakeIssuer;
  before(async () => {
    issuer = await openIssuer();
  });
  after(() => issuer[Symbol.asyncDispose]());

  const callers = () =>
    new Callers({
      ...{ issuer: issuer.origin, audience: 'token-broker' },
      keys: clusterKeys({ issuer: issuer.origin, jwksUri: `${issuer.origin}/keys` }),
      clients: () => parseClients(JSON.stringify({ web: goodClient })),
    });
  const formOf = (assertion: string) => ({ client_assertion_type: assertionType, client_assertion: assertion });

  it('as a form is the parameters it wrote, or invalid_request', () => {
    const word = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.dictionary(word, word), (fields) => {
        const body = Object.entries(fields)
          .map((pair) => pair.map(encodeURIComponent).join('='))
          .join('&');
        assert.deepEqual({ ...parseForm(Buffer.from(body)) }, { ...fields });
      }),
      runs,
    );
    const schema = z.object({ grant_type: z.string().max(100), scope: z.string().optional() });
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          hostile.map((text) => `grant_type=a&${text}`),
        ),
        (body) => {
          const form = unlessRefused(() => parseForm(Buffer.from(body)), 'invalid_request');
          const read = form && unlessRefused(() => parameters(schema, form), 'invalid_request');
          if (read) assert.equal(read.grant_type, form?.grant_type);
        },
      ),
      runs,
    );
  });

  it('as an assertion is nobody, unless the cluster signed just that', async () => {
    const known = callers();
    const good = issuer.user({ iss: issuer.origin, aud: 'token-broker', sub: subject });
    assert.equal((await known.authenticate(formOf(good), undefined)).name, 'web');
    const [header = '', payload = '', signature = ''] = good.split('.');
    const other = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url');
    const forged = fc.oneof(
      hostile,
      hostileJson.map((claims) => `${header}.${other(claims)}.${signature}`),
      hostileJson.map((fields) => `${other(fields)}.${payload}.${signature}`),
      fc.constantFrom('none', 'None', 'HS256', 'RS1', '').map((alg) => `${other({ alg, typ: 'JWT' })}.${payload}.`),
      fc
        .nat(signature.length - 3)
        .map((at) => `${header}.${payload}.${signature.slice(0, at)}${signature.slice(at + 1)}`),
      fc
        .tuple(fc.nat(good.length - 3), fc.constantFrom('A', '.', '=', ' '))
        .map(([at, mark]) => good.slice(0, at) + mark + good.slice(at + 1)),
    );
    await fc.assert(
      fc.asyncProperty(forged, async (assertion) => {
        if (assertion === good) return;
        const client = await unlessRefusedLater(
          () => known.authenticate(formOf(assertion), undefined),
          'invalid_client',
        );
        assert.equal(client, undefined, assertion);
      }),
      runs,
    );
  });

  it('as claims the cluster did sign is nobody, unless they name a ServiceAccount that is configured', async () => {
    const known = callers();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          hostileJson,
          hostile.map((text) => `${subject}${text}`),
        ),
        async (sub) => {
          if (sub === subject) return;
          const assertion = issuer.user({ iss: issuer.origin, aud: 'token-broker', sub });
          assert.equal(
            await unlessRefusedLater(() => known.authenticate(formOf(assertion), undefined), 'invalid_client'),
            undefined,
          );
        },
      ),
      { ...runs, numRuns: 100 },
    );
  });

  it('as a token is read without a throw', () => {
    fc.assert(
      fc.property(hostile, hostileJson, (text, claims) => {
        unverifiedClaims(text);
        unverifiedClaims(`e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`);
      }),
      runs,
    );
  });
});

describe('whatever lies in Redis', () => {
  const newRing = (): KeyRing => ({ current: 'k1', keys: new Map([['k1', createSecretKey(randomBytes(32))]]) });

  it('opens where we sealed it, as it was, and nowhere else', () => {
    const [mine, theirs] = [newRing(), newRing()];
    const sealing = createSealing(() => mine);
    const foreign = createSealing(() => theirs);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.string(),
        fc.string(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (value, name, elsewhere, at, flip) => {
          const sealed = sealing.seal(Buffer.from(value), name);
          assert.deepEqual(sealing.open(sealed, name)?.plaintext, Buffer.from(value));
          assert.equal(foreign.open(sealed, name), undefined);
          if (elsewhere !== name) assert.equal(sealing.open(sealed, elsewhere), undefined);
          const spoilt = Buffer.from(sealed);
          spoilt[at % spoilt.length] = (spoilt[at % spoilt.length] ?? 0) ^ flip;
          assert.equal(sealing.open(spoilt, name), undefined);
          assert.equal(sealing.open(sealed.subarray(0, at % sealed.length), name), undefined);
        },
      ),
      runs,
    );
  });

  it('is a miss where it is rubbish', () => {
    const ring = newRing();
    const sealing = createSealing(() => ring);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, named) => {
        const start = named ? Buffer.from('\x02k1', 'latin1') : Buffer.alloc(0);
        assert.equal(sealing.open(Buffer.concat([start, bytes]), 'session:{a}'), undefined);
      }),
      runs,
    );
  });
});

describe('whatever is mounted', () => {
  it('as clients.json is refused as a whole, or gives nobody what was not written', () => {
    const field = fc.tuple(
      fc.constantFrom(...Object.keys(goodClient), 'permissions', 'redirectUris', '__proto__', 'extra'),
      hostileJson,
    );
    const spoilt = fc
      .array(field, { maxLength: 2 })
      .map((fields) => JSON.stringify({ web: { ...goodClient, ...Object.fromEntries(fields) } }));
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          hostileJson.map((value) => JSON.stringify(value)),
          spoilt,
        ),
        (text) => {
          const clients = unlessRefused(() => parseClients(text));
          for (const client of clients?.byName.values() ?? []) {
            assert.ok(client.scopes.every((scope) => text.includes(JSON.stringify(scope))));
            assert.deepEqual(client.permissions, text.includes('"operator"') ? client.permissions : []);
          }
        },
      ),
      runs,
    );
  });

  it('as environment is refused by name, and never quoted', () => {
    const names = [
      'REDIS_URL',
      'BROKER_URL',
      'CALLERS_ISSUER',
      'REDIS_MODE',
      'SESSION_RATE',
      'HTTP_PORT',
      'REDIS_KEY_PREFIX',
    ];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), hostile), (env) => {
        const canary = 'canary0c5f';
        try {
          readConfig({ ...env, LOG_LEVEL: canary });
          assert.fail('a wrong level was taken');
        } catch (error) {
          assert.ok(!`${(error as Error).message}`.includes(canary));
          unlessRefused(() => {
            throw error;
          });
        }
      }),
      runs,
    );
  });
});
