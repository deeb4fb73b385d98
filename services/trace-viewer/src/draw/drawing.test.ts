import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSpans } from '../otlp/otlp.ts';
import { sampleFlow } from '../sample-flow.ts';
import type { Span } from '../span.ts';
import { toMermaid } from './mermaid.js';
import { drawSequence } from './sequence.js';
import { inTreeOrder } from './spans.js';
import { toSequence } from './steps.js';
import { formatMs, toCount } from './svg.js';
import { drawWaterfall, findGaps, toScale } from './waterfall.js';

const signIn = readSpans(sampleFlow('signIn', 'drawn', 0).body);
const throttled = readSpans(sampleFlow('throttled', 'drawn', 0).body);

describe('the sequence diagram', () => {
  it('has a lane for each party, from the person to the API', () => {
    const { lanes } = toSequence(signIn);
    assert.deepEqual(lanes, [
      'Browser',
      'web-frontend',
      'token-broker',
      'redis',
      'Entra ID',
      'downstream-api',
      'cluster keys',
    ]);
  });

  it('draws a call between two services once', () => {
    const calls = toSequence(signIn).steps.filter(({ type, to }) => type === 'call' && to === 'token-broker');
    assert.deepEqual(
      calls.map(({ from, label }) => `${from} ${label}`),
      [
        'web-frontend redeem code',
        'web-frontend is the session alive?',
        'web-frontend token for downstream-api · from Entra ID',
      ],
    );
  });

  it('names Entra ID by the calls that are known to go there', () => {
    const toEntra = toSequence(signIn).steps.filter(({ to }) => to === 'Entra ID');
    assert.deepEqual(
      toEntra.map(({ type, from }) => `${type} ${from}`),
      ['wait Browser', 'leaf token-broker', 'leaf web-frontend', 'leaf token-broker'],
    );
  });

  it('ends every call after the calls that it caused', () => {
    const { steps } = toSequence(signIn);
    const open: Span[] = [];
    for (const { type, span } of steps) {
      if (type === 'call') open.push(span);
      if (type === 'reply') assert.equal(open.pop(), span);
    }
    assert.deepEqual(open, []);
  });

  it('marks failures by a cross, not by colour alone', () => {
    assert.equal(drawSequence(throttled, { width: 900 }).match(/class="cross"/g)?.length, 3);
    assert.doesNotMatch(drawSequence(signIn, { width: 900 }), /class="cross"/);
  });
});

describe('the waterfall', () => {
  it('shrinks the time at Entra ID to a band', () => {
    const [gap, ...more] = findGaps(signIn);
    assert.deepEqual(more, []);
    assert.ok(gap && gap.toMs - gap.fromMs > 8_000);
    assert.match(drawWaterfall(signIn, { width: 900 }), /class="gap"/);
    assert.doesNotMatch(drawWaterfall(signIn, { width: 900, trueScale: true }), /class="gap"/);
  });

  it('keeps proportion outside the bands and order everywhere', () => {
    const x = toScale(10_000, [{ fromMs: 100, toMs: 9_900 }], 464);
    assert.equal(x(0), 0);
    assert.equal(x(100), 200);
    assert.equal(x(9_900), 264);
    assert.equal(x(10_000), 464);
  });

  it('puts each span under its parent', () => {
    const rows = inTreeOrder(signIn);
    assert.equal(rows.length, signIn.length);
    for (const [place, { span, depth }] of rows.entries()) {
      const above = rows.slice(0, place).findLast((row) => row.depth === depth - 1);
      assert.equal(span.parentId, above?.span.spanId);
    }
  });

  it('shows spans that are each other’s parents, and a span that is its own', () => {
    const [a, b, c] = signIn.map((span) => ({ ...span })) as [Span, Span, Span];
    a.parentId = b.spanId;
    b.parentId = a.spanId;
    c.parentId = c.spanId;
    assert.equal(inTreeOrder([a, b, c]).length, 3);
    assert.match(drawSequence([a, b, c], { width: 400 }), /^<svg/);
  });

  it('draws 2,000 spans in less than 200 ms of a processor', () => {
    const [root, ...rest] = signIn as [Span, ...Span[]];
    const many = Array.from({ length: 2_000 }, (_, place) => {
      const span = rest[place % rest.length] as Span;
      return { ...span, spanId: place.toString(16).padStart(16, '0'), parentId: root.spanId };
    });
    // The processor's time, and the best of several: other programs must not count.
    const times = Array.from({ length: 8 }, () => {
      const before = process.cpuUsage();
      drawWaterfall([root, ...many], { width: 900 });
      drawSequence([root, ...many], { width: 900 });
      return process.cpuUsage(before).user / 1_000;
    });
    assert.ok(Math.min(...times) < 200, `${Math.min(...times)} ms`);
  });
});

describe('Mermaid', () => {
  it('tells the same story as text', () => {
    const text = toMermaid(signIn);
    assert.match(text, /^sequenceDiagram\n {2}participant p0 as Browser\n/);
    assert.match(text, /\n {2}p0->>p1: sign in \(\+0 ms\)\n {2}p1-->>p0: 302 · 3\.1 ms\n/);
    assert.match(text, /\n {2}Note over p0,p4: the person is at Entra ID · 8\.24 s\n/);
    assert.match(toMermaid(throttled), /--x/);
  });

  it('lets no name end its line or become markup', () => {
    const [span] = signIn as [Span];
    const text = toMermaid([{ ...span, name: 'x;\nparticipant <b> #quot; y' }]);
    assert.match(text, /p0->>p1: x#59; participant #60;b#62; #35;quot#59; y/);
  });
});

it('says one span, and two spans', () => {
  assert.deepEqual([toCount(1, 'span'), toCount(2, 'span')], ['1 span', '2 spans']);
});

describe('formatMs', () => {
  const rows: [number, string][] = [
    [0, '0 ms'],
    [0.423, '0.42 ms'],
    [1.04, '1 ms'],
    [38.4, '38 ms'],
    [999.9, '1 s'],
    [8_241, '8.24 s'],
    [59_900, '59.9 s'],
    [125_000, '2 min 5 s'],
    [119_999, '2 min 0 s'],
  ];
  for (const [ms, text] of rows) it(`says ${text} for ${ms}`, () => assert.equal(formatMs(ms), text));
});
