import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createBearer } from '@onbehalf/node/api/bearer';
import { bearerChallenge, claimsChallenge, parseChallenges } from '@onbehalf/node/core/challenge';
import { type FakeIssuer, openIssuer } from '@onbehalf/node/core/keys/issuer.fake';
import { remoteAuthority } from '@onbehalf/node/core/keys/signing-keys';
import { spanContextOf, traceIdOf, traceparentOfSpan } from '@onbehalf/node/core/telemetry/trace-context';
import fc from 'fast-check';
import { readSpans } from '../../services/trace-viewer/src/otlp/otlp.ts';
import { decodeExport } from '../../services/trace-viewer/src/otlp/protobuf.ts';
import { hostile, hostileJson, runs, unlessRefused, unlessRefusedLater } from './faults.ts';

describe('whatever an Authorization header says', () => {
  let issuer: FakeIssuer;
  before(async () => {
    issuer = await openIssuer();
  });
  after(() => issuer[Symbol.asyncDispose]());

  it('is invalid_token, unless Entra ID signed just that for this API', async () => {
    const { origin: authorityHost, audience, tenant, client } = issuer;
    const authority = remoteAuthority(authorityHost, [tenant]);
    const bearer = createBearer({ ...authority, audience, tenants: [tenant], allowedClients: [client] });
    const good = `Bearer ${issuer.user()}`;
    assert.equal((await bearer(good)).azp, client);
    const [header = '', payload = '', signature = ''] = good.split('.');
    const other = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url');
    const forged = fc.oneof(
      hostile,
      hostile.map((text) => `Bearer ${text}`),
      hostileJson.map((claims) => `${header}.${other(claims)}.${signature}`),
      hostileJson.map((fields) => `Bearer ${other(fields)}.${payload}.${signature}`),
      fc.tuple(fc.nat(good.length - 3), hostile).map(([at, text]) => good.slice(0, at) + text + good.slice(at + 1)),
    );
    const plain = (text: string) => text.replace(/^bearer +/i, '').trim();
    await fc.assert(
      fc.asyncProperty(forged, async (authorization) => {
        if (plain(authorization) === plain(good)) return;
        assert.equal(await unlessRefusedLater(() => bearer(authorization), 'invalid_token'), undefined, authorization);
      }),
      runs,
    );
  });
});

describe('whatever a challenge says', () => {
  it('is read without a throw, and one of ours comes back as it was meant', () => {
    fc.assert(
      fc.property(hostile, (header) => void [parseChallenges(header), claimsChallenge(header)]),
      runs,
    );
    const name = fc.stringMatching(/^[a-z_]{1,12}$/);
    fc.assert(
      fc.property(fc.dictionary(name, fc.string({ unit: 'grapheme-ascii' }), { minKeys: 1 }), (meant) => {
        const [read] = parseChallenges(bearerChallenge(meant));
        assert.deepEqual({ ...read?.parameters }, { ...meant });
      }),
      runs,
    );
  });

  it('never breaks out of its header, whatever is put into one of ours', () => {
    fc.assert(
      fc.property(hostile, (text) =>
        assert.match(bearerChallenge({ scope: text }), /^Bearer scope="(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/),
      ),
      runs,
    );
  });
});

describe('whatever a traceparent says', () => {
  it('is a trace of 32 hex digits, ours if it is none', () => {
    const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));
    const near = fc
      .tuple(hex(32), hex(16), hex(2), hostile)
      .map(([trace, span, flags, rest]) => `00-${trace}-${span}-${flags}${rest}`);
    fc.assert(
      fc.property(fc.oneof(hostile, near), (traceparent) => {
        assert.match(traceIdOf({ traceparent }), /^(?!0{32})[0-9a-f]{32}$/);
        const read = spanContextOf(traceparent);
        if (read) assert.deepEqual(spanContextOf(traceparentOfSpan(read)), read);
      }),
      runs,
    );
  });
});

describe('whatever is exported to the viewer', () => {
  const spanOf = (attribute: unknown) => ({
    resourceSpans: [
      { scopeSpans: [{ spans: [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), attributes: [attribute] }] }] },
    ],
  });
  const span = fc.record(
    {
      traceId: hostileJson,
      spanId: hostileJson,
      name: hostileJson,
      startTimeUnixNano: hostileJson,
      attributes: fc.oneof(hostileJson, fc.array(fc.record({ key: hostileJson, value: hostileJson }))),
    },
    { requiredKeys: [] },
  );
  const request = span.map((one) => ({
    resourceSpans: [{ scopeSpans: [{ spans: [one, { ...one, traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }] }] }],
  }));

  it('as JSON is spans with ids and times, or invalid_request', () => {
    fc.assert(
      fc.property(fc.oneof(hostileJson, request), (value) => {
        for (const read of unlessRefused(() => readSpans(value), 'invalid_request') ?? []) {
          assert.match(`${read.traceId} ${read.spanId}`, /^[0-9a-f]{32} [0-9a-f]{16}$/);
          assert.ok(Number.isFinite(read.startMs) && read.endMs >= read.startMs);
        }
      }),
      runs,
    );
  });

  it('however deep it is nested, is cut to what can be shown', () => {
    for (const name of ['arrayValue', 'kvlistValue']) {
      const deep: unknown = JSON.parse(`${`{"${name}":{"values":[`.repeat(20_000)}${']}}'.repeat(20_000)}`);
      assert.equal(readSpans(spanOf({ key: 'deep', value: deep })).length, 1);
    }
  });

  it('as protobuf is the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        unlessRefused(() => readSpans(decodeExport(Buffer.from(bytes))), 'invalid_request');
      }),
      runs,
    );
    const deep = Array.from({ length: 5_000 }).reduce<Buffer>(
      (inner) => Buffer.concat([Buffer.of(0x0a), varint(inner.length), inner]),
      Buffer.alloc(0),
    );
    unlessRefused(() => decodeExport(deep), 'invalid_request');
  });
});

function varint(value: number): Buffer {
  return value < 128 ? Buffer.of(value) : Buffer.concat([Buffer.of((value & 127) | 128), varint(value >>> 7)]);
}
