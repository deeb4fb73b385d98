import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseStepUp } from './challenge.ts';

const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}';
const encoded = Buffer.from(claims).toString('base64');

describe('WWW-Authenticate', () => {
  it('finds the claims of the bearer challenge, base64 or base64url, padded or not', () => {
    for (const value of [encoded, encoded.replace(/=+$/, ''), Buffer.from(claims).toString('base64url')]) {
      const header = `Basic realm="insufficient_claims, Bearer", Bearer realm="", authorization_uri="https://x/,y", error="insufficient_claims", claims="${value}"`;
      assert.deepEqual(parseStepUp(header), { claims });
    }
  });

  it('finds the scope, and nothing in what asks for neither', () => {
    assert.deepEqual(parseStepUp('Bearer error="insufficient_scope", scope="a b"'), { scope: 'a b' });
    const none = [
      undefined,
      'Bearer',
      'Bearer error="invalid_token"',
      'Bearer scope="a b"',
      'Bearer error="invalid_token", scope="a b"',
      'Bearer error="insufficient_scope"',
      'Basic error="insufficient_scope", scope="a b"',
      `Basic error="insufficient_claims", claims="${encoded}"`,
    ];
    const broken = ['%%%', 'bm90IGpzb24=', 'WzFd', 'bnVsbA==', ''].map(
      (c) => `Bearer error="insufficient_claims", claims="${c}"`,
    );
    for (const header of [...none, ...broken]) assert.equal(parseStepUp(header), undefined, header);
  });

  it('finds what a later challenge asks for', () => {
    const header = 'Basic error="insufficient_scope", scope="x", Bearer error="insufficient_scope", scope="a"';
    assert.deepEqual(parseStepUp(header), { scope: 'a' });
  });

  it('takes claims of 800 characters, which fit into a cookie, and no more', () => {
    const stepUp = (length: number) => {
      const text = JSON.stringify({ a: '' });
      const padded = text.replace('""', `"${'x'.repeat(length - text.length)}"`);
      return parseStepUp(`Bearer error="insufficient_claims", claims="${Buffer.from(padded).toString('base64')}"`);
    };
    assert.equal(stepUp(800)?.claims?.length, 800);
    assert.equal(stepUp(801), undefined);
  });
});
