import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  contextHeaders,
  newTraceId,
  spanContextOf,
  toGuid,
  traceIdOf,
  traceparentOf,
  traceparentOfSpan,
} from './trace-context.ts';

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
  ` 00-${id}-b7ad6b7169203331-01`,
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

it('never gives the same id twice', () => {
  assert.equal(new Set(Array.from({ length: 1_000 }, newTraceId)).size, 1_000);
  for (let times = 0; times < 300; times += 1) assert.match(newTraceId(), /^[0-9a-f]{32}$/);
});

it('reads a span as it wrote it, with no flag but whether it is sampled', () => {
  for (const traceFlags of [0, 1]) {
    const span = { traceId: id, spanId: 'b7ad6b7169203331', traceFlags };
    assert.equal(traceparentOfSpan(span), `00-${id}-b7ad6b7169203331-0${traceFlags}`);
    assert.deepEqual(spanContextOf(traceparentOfSpan(span)), { ...span, isRemote: true });
  }
  assert.equal(spanContextOf(`00-${id}-b7ad6b7169203331-ff`)?.traceFlags, 1);
  assert.equal(traceparentOfSpan({ traceId: id, spanId: 'b7ad6b7169203331', traceFlags: 3 }).slice(-3), '-01');
  for (const none of [undefined, 1, [`00-${id}-b7ad6b7169203331-01`]]) assert.equal(spanContextOf(none), undefined);
});

it('writes a traceparent with a fresh span that nobody sampled', () => {
  assert.match(traceparentOf(id), new RegExp(`^00-${id}-[0-9a-f]{16}-00$`));
  assert.notEqual(traceparentOf(id), traceparentOf(id));
});

it('reads a version that is not known yet as far as it is known', () => {
  const span = { traceId: id, spanId: 'b7ad6b7169203331', traceFlags: 1, isRemote: true };
  for (const later of [`01-${id}-b7ad6b7169203331-01`, `cc-${id}-b7ad6b7169203331-09-what-comes`]) {
    assert.deepEqual(spanContextOf(later), span);
    assert.equal(traceIdOf({ traceparent: later }), id);
  }
  for (const none of [
    `00-${id}-b7ad6b7169203331-01-more`,
    `ff-${id}-b7ad6b7169203331-01`,
    `01-${id}-b7ad6b7169203331-011`,
  ])
    assert.equal(spanContextOf(none), undefined);
});

it('keeps the tracestate beside a traceparent, and sends it on', () => {
  const span = spanContextOf(`00-${id}-b7ad6b7169203331-01`, 'vendor=a,other=b');
  const headers = { traceparent: `00-${id}-b7ad6b7169203331-01`, tracestate: 'vendor=a,other=b' };
  assert.deepEqual(span && contextHeaders(span), headers);
  const without = spanContextOf(headers.traceparent, '');
  assert.deepEqual(without && contextHeaders(without), { traceparent: headers.traceparent });
});
