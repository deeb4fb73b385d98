import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mix, placeOf, turns } from './mix.ts';
import { dueTimesMs, scheduleSchema } from './schedule.ts';
import { selfTest, selfTestLeastMs } from './self-test.ts';
import { Tally } from './tally.ts';

const due = (schedule: object) => [
  ...dueTimesMs(scheduleSchema.parse({ ratePerSecond: 100, durationSeconds: 2, ...schedule })),
];

describe('the schedule', () => {
  it('is even where it is constant', () => {
    const times = due({});
    assert.equal(times.length, 200);
    assert.deepEqual(times.slice(0, 3), [0, 10, 20]);
  });

  it('climbs where it is a ramp: a quarter of the requests in the first half of the time', () => {
    const times = due({ shape: 'ramp' });
    assert.equal(times.length, 100);
    assert.ok(Math.abs(times.filter((ms) => ms < 1_000).length - 25) <= 1);
  });

  it('falls where the ramp goes down', () => {
    const times = due({ shape: 'ramp', fromPerSecond: 200, ratePerSecond: 1 });
    assert.ok(Math.abs(times.length - 201) <= 2, String(times.length));
    assert.ok(times.every((ms, i) => i === 0 || ms > (times[i - 1] ?? 0)));
  });

  it('is random and yet the same for one seed where it is Poisson', () => {
    const long = { shape: 'poisson', durationSeconds: 100 };
    assert.deepEqual(due({ ...long, seed: 7 }), due({ ...long, seed: 7 }));
    assert.notDeepEqual(due({ ...long, seed: 7 }), due({ ...long, seed: 8 }));
    // Five standard deviations.
    assert.ok(Math.abs(due({ ...long, seed: 7 }).length - 10_000) < 500);
  });
});

it('gives each kind its turns as evenly as can be', () => {
  const order = mix([3, 1]);
  assert.deepEqual(order, [0, 0, 1, 0]);
  assert.deepEqual(turns(order), [0, 1, 0, 2]);
});

it('brings everybody to another target in each round, however many they are', () => {
  for (const people of [1, 2, 3, 4, 5, 6, 1_100]) {
    for (let person = 0; person < people; person += 1) {
      const places = [0, 1, 2].map((round) => placeOf(round * people + person, people, 3));
      assert.deepEqual(places.sort(), [0, 1, 2], `person ${person} of ${people}`);
    }
  }
});

describe('a tally', () => {
  const times = (atSeconds: number) => ({
    dueMs: atSeconds * 1e3,
    sentMs: atSeconds * 1e3,
    endMs: atSeconds * 1e3 + 5,
  });
  const throttled = (retryAfterSeconds?: number) => ({ errorType: '429 x', refused: true, retryAfterSeconds });

  it('sees a Retry-After that moves away before it has come', () => {
    const tally = new Tally('falling');
    for (const [at, left] of [
      [0, 30],
      [10, 20],
      [29, 1],
      [31, 30],
      [40, 21],
    ] as const)
      tally.end(times(at), 1, throttled(left));
    assert.equal(tally.toSeen().risingRetryAfter, 0);
    tally.end(times(50), 1, throttled(30));
    tally.end(times(50), 2, throttled(60));
    assert.equal(tally.toSeen().risingRetryAfter, 1);
  });

  it('counts refusals that do not say when to come again, errors by type, and by the second they were due', () => {
    const tally = new Tally('failing');
    tally.end(times(0.2), 1, throttled());
    tally.end(times(1.2), 1, {});
    const seen = tally.toSeen();
    assert.deepEqual(
      [seen.withoutRetryAfter, seen.errors, seen.firstSuccessAfterErrorSeconds],
      [1, { '429 x': 1 }, [1.205]],
    );
    assert.deepEqual(
      seen.seconds.map(({ atSeconds, requests, errors }) => [atSeconds, requests, errors]),
      [
        [0, 1, 1],
        [1, 1, 0],
      ],
    );
  });
});

it('shows the second for which a server stalled, as no tool does that waits for its answers', async () => {
  const p99Ms = await selfTest(4);
  assert.ok(p99Ms >= selfTestLeastMs, `${p99Ms} ms`);
});
