import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusalReason } from './refusal-reason.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const correlation_id = '0af76519-16cd-43dd-8448-eb211c80319c';

const rows: [
  what: string,
  word: string,
  told: Parameters<typeof refusalReason>[1],
  class_: string,
  refusal: string,
  aadsts: number[] | undefined,
][] = [
  [
    'numbers of a description',
    'access_denied',
    { description: 'AADSTS65004: x. AADSTS500121 y' },
    'consent',
    'access_denied',
    [65004, 500121],
  ],
  ['numbers of the token endpoint', 'invalid_grant', { codes: [53003] }, 'code', 'invalid_grant', [53003]],
  ['no number', 'temporarily_unavailable', {}, 'transient', 'temporarily_unavailable', undefined],
  [
    'no text that a stranger wrote',
    'eyJ canary',
    { description: 'canary', codes: ['canary'] },
    'configuration',
    'other',
    undefined,
  ],
  ['four numbers at most', 'x', { codes: [1, 2, 3, 4, 5] }, 'configuration', 'x', [1, 2, 3, 4]],
];

describe('the reason of a refusal has', () => {
  for (const [what, word, told, name, refusal, aadsts] of rows) {
    it(what, () => {
      const expected = { class: name, refusal, ...(aadsts && { aadsts }), correlation_id };
      assert.deepEqual(refusalReason(word, told, traceId), expected);
    });
  }
});
