import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bearerDemand, parseChallenges } from './challenge.ts';

const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
const encoded = Buffer.from(claims).toString('base64');

describe('WWW-Authenticate', () => {
  const rows: [string, [string, Record<string, string>][]][] = [
    ['', []],
    ['Bearer', [['bearer', {}]]],
    [
      'Basic realm="a, b", Bearer',
      [
        ['basic', { realm: 'a, b' }],
        ['bearer', {}],
      ],
    ],
    [
      'Bearer error="x", error_description="say \\"hi, you\\" \\\\"',
      [['bearer', { error: 'x', error_description: 'say "hi, you" \\' }]],
    ],
    [
      'Negotiate YWJj==, Bearer error=invalid_token',
      [
        ['negotiate', {}],
        ['bearer', { error: 'invalid_token' }],
      ],
    ],
    [
      'Negotiate, NTLM , ,Bearer  A = "1" ,b=2',
      [
        ['negotiate', {}],
        ['ntlm', {}],
        ['bearer', { a: '1', b: '2' }],
      ],
    ],
    ['Bearer claims="YQ==", realm=""', [['bearer', { claims: 'YQ==', realm: '' }]]],
    ['Bearer a="1", a="2"', [['bearer', { a: '1' }]]],
    ['Bearer __proto__="x"', [['bearer', { ['__proto__']: 'x' }]]],
    ['Bearer a="unfinished, Basic realm="', [['bearer', { a: 'unfinished, Basic realm=' }]]],
    ['Bearer a="never closed', [['bearer', {}]]],
    ['=, "', []],
  ];
  for (const [header, expected] of rows) {
    it(`reads ${JSON.stringify(header)}`, () => {
      const read = parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.entries(parameters)]);
      assert.deepEqual(
        read,
        expected.map(([scheme, parameters]) => [scheme, Object.entries(parameters)]),
      );
    });
  }

  it('finds the claims of the bearer challenge, base64 or base64url, padded or not', () => {
    for (const value of [encoded, encoded.replace(/=+$/, ''), Buffer.from(claims).toString('base64url')]) {
      const header = `Basic realm="insufficient_claims, Bearer", Bearer realm="", authorization_uri="https://x/,y", error="insufficient_claims", claims="${value}"`;
      assert.deepEqual(bearerDemand(header), { claims });
    }
  });

  it('finds the scope, and nothing in what asks for neither', () => {
    assert.deepEqual(bearerDemand('Bearer error="insufficient_scope", scope="a b"'), { scope: 'a b' });
    const none = [
      undefined,
      'Bearer',
      'Bearer error="invalid_token"',
      `Basic error="insufficient_claims", claims="${encoded}"`,
    ];
    const broken = ['%%%', 'bm90IGpzb24=', 'WzFd', 'bnVsbA==', ''].map(
      (c) => `Bearer error="insufficient_claims", claims="${c}"`,
    );
    for (const header of [...none, ...broken]) assert.equal(bearerDemand(header), undefined, header);
  });

  it('reads 100,000 hostile characters in no time', () => {
    for (const piece of ['a=', 'a ', '"\\', ',,', 'a="b" ', 'aaaa', '====']) {
      const startedAtMs = performance.now();
      parseChallenges(`Bearer ${piece.repeat(100_000 / piece.length)}`);
      assert.ok(performance.now() - startedAtMs < 500, piece);
    }
  });
});
