import assert from 'node:assert/strict';
import { it } from 'node:test';
import { newTraceId, toGuid, traceIdOf, traceparentOf } from './correlation.ts';

const id = '0af7651916cd43dd8448eb211c80319c';

it('takes the trace id of a caller', () => {
  assert.equal(traceIdOf({ traceparent: `00-${id}-b7ad6b7169203331-01` }), id);
  assert.equal(traceIdOf({ traceparent: traceparentOf(id) }), id);
});

for (const traceparent of [
  undefined,
  '',
  id,
  `00-${id}-b7ad6b7169203331-01, 00-${id}-b7ad6b7169203331-01`,
  `00-${id.toUpperCase()}-b7ad6b7169203331-01`,
  `ff-${id}-b7ad6b7169203331-01`,
  `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
  `00-${id}-${'0'.repeat(16)}-01`,
  `00-${id}-b7ad6b7169203331-01\n`,
]) {
  it(`makes a fresh one of ${JSON.stringify(traceparent)}`, () => {
    const made = traceIdOf({ traceparent });
    assert.match(made, /^[0-9a-f]{32}$/);
    assert.notEqual(made, id);
    assert.doesNotMatch(made, /^0+$/);
  });
}

it('gives a trace id the form of a GUID', () => {
  assert.equal(toGuid(id), '0af76519-16cd-43dd-8448-eb211c80319c');
  assert.notEqual(newTraceId(), newTraceId());
});
