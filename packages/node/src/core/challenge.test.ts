import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  bearerChallenge,
  claimsChallenge,
  insufficientClaims,
  insufficientScope,
  invalidToken,
  parseChallenges,
} from './challenge.ts';

const claims = '{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}';
const base64 = Buffer.from(claims).toString('base64');
const challenge = `Bearer error="insufficient_claims", claims="${base64}"`;

const plain = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(Object.entries(parameters))]);

describe('bearerChallenge', () => {
  it('names an error as RFC 6750 does, with what it needs', () => {
    assert.equal(invalidToken('Over.').challenge, 'Bearer error="invalid_token", error_description="Over."');
    assert.equal(insufficientScope('No.', 'a b').challenge, 'Bearer error="insufficient_scope", scope="a b"');
    assert.equal(insufficientClaims(claims).challenge, `Bearer error="insufficient_claims", claims="${base64}"`);
  });

  it('is the bare scheme without parameters', () => assert.equal(bearerChallenge(), 'Bearer'));

  it('quotes and escapes, and lets no line break through', () => {
    const value = 'a "quoted" \\ word,\r\nSet-Cookie: x=é';
    const made = bearerChallenge({ error: value, scope: undefined });
    assert.equal(made, String.raw`Bearer error="a \"quoted\" \\ word,Set-Cookie: x="`);
    assert.deepEqual(plain(made), [['bearer', { error: 'a "quoted" \\ word,Set-Cookie: x=' }]]);
  });
});

const headers: [what: string, header: string, parsed: unknown[]][] = [
  ['nothing', '', []],
  ['a bare scheme', 'Bearer', [['bearer', {}]]],
  ['quoted commas and padding', 'Bearer realm="a, b=c", x="YQ=="', [['bearer', { realm: 'a, b=c', x: 'YQ==' }]]],
  ['an empty realm', 'Bearer realm="", error="x"', [['bearer', { realm: '', error: 'x' }]]],
  ['tokens without quotes', 'BEARER Error=invalid_token,x=1', [['bearer', { error: 'invalid_token', x: '1' }]]],
  ['spaces around =', 'Bearer error = "x"', [['bearer', { error: 'x' }]]],
  [
    'several challenges',
    'Basic realm="a", Bearer error="x", Digest',
    [
      ['basic', { realm: 'a' }],
      ['bearer', { error: 'x' }],
      ['digest', {}],
    ],
  ],
  ['empty elements', ' , Bearer error="x", ,scope="y"', [['bearer', { error: 'x', scope: 'y' }]]],
  ['escapes and commas', 'Bearer a="say \\"hi, you\\" \\\\"', [['bearer', { a: 'say "hi, you" \\' }]]],
  [
    'a token68',
    'Negotiate YWJj==, Bearer error=invalid_token',
    [
      ['negotiate', {}],
      ['bearer', { error: 'invalid_token' }],
    ],
  ],
  [
    'bare schemes, and names in capitals',
    'Negotiate, NTLM , ,Bearer  A = "1" ,b=2',
    [
      ['negotiate', {}],
      ['ntlm', {}],
      ['bearer', { a: '1', b: '2' }],
    ],
  ],
  ['the first of two of a name', 'Bearer a="1", a="2"', [['bearer', { a: '1' }]]],
  ['a quote that ends late', 'Bearer a="unfinished, Basic realm="', [['bearer', { a: 'unfinished, Basic realm=' }]]],
  ['a quote that never ends', 'Bearer a="b", error="x', [['bearer', { a: 'b' }]]],
  ['what begins with no name', '=, "', []],
  ['names of the prototype', 'Bearer __proto__="x"', [['bearer', Object.fromEntries([['__proto__', 'x']])]]],
];

describe('parseChallenges', () => {
  for (const [what, header, parsed] of headers) it(`reads ${what}`, () => assert.deepEqual(plain(header), parsed));

  it('stays quick on a long header', () => {
    const startedMs = performance.now();
    for (const part of ['\\"', ',,', 'a=', 'a ', '"', 'a="b" ', 'aaaa', '====']) {
      parseChallenges(`Bearer x="${part.repeat(16_000)}`);
      parseChallenges(`Bearer ${part.repeat(16_000)}`);
    }
    assert.ok(performance.now() - startedMs < 1_000);
  });
});

describe('claimsChallenge', () => {
  it('finds the claims among other challenges, in either alphabet', () => {
    assert.equal(claimsChallenge(`Basic realm="x", ${challenge}, Negotiate`), claims);
    assert.equal(
      claimsChallenge(`Bearer realm="", authorization_uri="https://a.example/?a=b,c", ${challenge.slice(7)}`),
      claims,
    );
    const urlSafe = Buffer.from(claims).toString('base64url');
    assert.equal(claimsChallenge(`Bearer error="insufficient_claims", claims="${urlSafe}"`), claims);
    assert.equal(claimsChallenge(insufficientClaims(claims).challenge), claims);
  });

  it('takes claims of 4,096 characters and no more', () => {
    const of = (length: number) => {
      const text = `{"a":"${'a'.repeat(length - 8)}"}`;
      return claimsChallenge(insufficientClaims(text).challenge)?.length;
    };
    assert.deepEqual([of(4_096), of(4_097)], [4_096, undefined]);
  });

  const none: [what: string, header: string | null][] = [
    ['no header', null],
    ['another error', `Bearer error="invalid_token", claims="${base64}"`],
    ['another scheme', `Basic error="insufficient_claims", claims="${base64}"`],
    ['no claims', 'Bearer error="insufficient_claims"'],
    ['claims that are no JSON', 'Bearer error="insufficient_claims", claims="Y2FuYXJ5"'],
    ['claims that are no object', `Bearer error="insufficient_claims", claims="${btoa('[1]')}"`],
    [
      'claims beyond all measure',
      `Bearer error="insufficient_claims", claims="${btoa(`{"a":"${'a'.repeat(5_000)}"}`)}"`,
    ],
  ];
  for (const [what, header] of none)
    it(`takes ${what} for none`, () => assert.equal(claimsChallenge(header), undefined));
});
