import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Fault } from '../fault.ts';
import { makeKey } from './issuer.fake.ts';
import { cachedKeys } from './kept-keys.ts';

type Key = ReturnType<typeof makeKey>;
const [one, two] = [makeKey(), makeKey()];
const setOf = (...keys: Key[]) => ({
  keys: keys.map(({ kid, publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid })),
});
const maxAgeMs = 600_000;
const staleMs = 86_400_000;

/** Keys under a clock that is moved; each fetch is answered by `answer`. */
function open(options: Partial<Parameters<typeof cachedKeys>[1]> = { staleMs }) {
  const state = {
    ms: 1_000_000,
    fetches: 0,
    told: [] as unknown[],
    answer: async (): Promise<unknown> => setOf(one),
  };
  const fetchKeys = () => {
    state.fetches += 1;
    return state.answer();
  };
  const onFetch = (error: unknown) => void state.told.push(error);
  const keys = cachedKeys(fetchKeys, { maxAgeMs, nowMs: () => state.ms, onFetch, ...options });
  /** Whether a key is given, or the code of why not. */
  const ask = async (kid: string | undefined): Promise<string> => {
    try {
      await keys({ alg: 'RS256', ...(kid !== undefined && { kid }) }, { payload: '', signature: '' });
      return 'given';
    } catch (error) {
      return String((error as { code: string }).code);
    }
  };
  return { state, keys, ask };
}
const unknown = 'ERR_JWKS_NO_MATCHING_KEY';
const away = () => Promise.reject(new Error('away'));
const never = () => new Promise<never>(() => {});

describe('kept keys', () => {
  it('are fetched once while they are fresh, and again when they are older', async () => {
    const { state, ask } = open();
    const startMs = state.ms;
    for (const later of [0, 1, maxAgeMs]) {
      state.ms = startMs + later;
      assert.equal(await ask(one.kid), 'given');
      assert.equal(state.fetches, 1);
    }
    state.ms += 1;
    assert.equal(await ask(one.kid), 'given');
    assert.equal(state.fetches, 2);
  });

  it('tell of every fetch how it ended', async () => {
    const { state, ask } = open();
    const error = new Error('away');
    state.answer = () => Promise.reject(error);
    assert.equal(await ask(one.kid), 'unavailable');
    state.ms += 2_000;
    state.answer = async () => setOf(one);
    assert.equal(await ask(one.kid), 'given');
    assert.deepEqual(state.told, [error, undefined]);
  });

  it('serve to their bound while no others can be had, then say when to come back, and heal', async () => {
    const { state, keys, ask } = open();
    await ask(one.kid);
    const startMs = state.ms;
    state.answer = away;
    state.ms = startMs + staleMs;
    assert.equal(await ask(one.kid), 'given');
    state.ms += 1;
    await assert.rejects(
      async () => await keys({ alg: 'RS256', kid: one.kid }, { payload: '', signature: '' }),
      (error) => {
        assert.ok(error instanceof Fault && error.code === 'unavailable' && error.retryAfterSeconds === 5);
        return true;
      },
    );
    state.answer = async () => setOf(one);
    state.ms += 2_000;
    assert.equal(await ask(one.kid), 'given');
  });

  it('have no bound unless one is said', async () => {
    const { state, ask } = open({});
    await ask(one.kid);
    state.answer = away;
    state.ms += 1_000 * staleMs;
    assert.equal(await ask(one.kid), 'given');
  });

  it('that are unknown are looked for after the cool-down, by one fetch for all, whether it fails or not', async () => {
    const { state, ask } = open();
    await ask(one.kid);
    state.ms += 29_999;
    assert.equal(await ask(two.kid), unknown);
    assert.equal(state.fetches, 1);
    state.ms += 1;
    state.answer = away;
    assert.deepEqual(new Set(await Promise.all([1, 2, 3].map(() => ask(two.kid)))), new Set(['unavailable']));
    state.ms += 29_999;
    assert.equal(await ask(two.kid), 'unavailable');
    assert.equal(state.fetches, 2);
    state.ms += 1;
    state.answer = async () => setOf(one, two);
    assert.equal(await ask(two.kid), 'given');
    assert.equal(state.fetches, 3);
  });

  it('that are unknown are looked for in a fetch that is under way, though one failed before', async () => {
    const { state, ask } = open();
    await ask(one.kid);
    state.ms += maxAgeMs + 1;
    state.answer = away;
    assert.equal(await ask(one.kid), 'given');
    state.ms += 2_000;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    state.answer = () => promise;
    const [known, unknownYet] = [ask(one.kid), ask(two.kid)];
    assert.equal(await known, 'given');
    resolve(setOf(one, two));
    assert.equal(await unknownYet, 'given');
    assert.equal(state.fetches, 3);
  });

  it('are not looked for where they are there and do not fit', async () => {
    const { state, ask } = open();
    state.answer = async () => setOf(one, two);
    await ask(one.kid);
    state.ms += 60_000;
    assert.equal(await ask(undefined), 'ERR_JWKS_MULTIPLE_MATCHING_KEYS');
    assert.equal(state.fetches, 1);
  });

  it('hold nobody up while fresh ones are fetched', async () => {
    const { state, ask } = open();
    await ask(one.kid);
    state.ms += maxAgeMs + 1;
    state.answer = never;
    assert.equal(await ask(one.kid), 'given');
    assert.equal(state.fetches, 2);
  });

  it('that may not be stale are waited for, so that a withdrawn one is gone at once', async () => {
    const { state, ask } = open({ waits: true });
    state.answer = away;
    assert.equal(await ask(one.kid), 'unavailable');
    state.ms += 2_000;
    state.answer = async () => setOf(one);
    await ask(one.kid);
    state.ms += maxAgeMs + 1;
    state.answer = async () => {
      await turn();
      return setOf(two);
    };
    assert.equal(await ask(one.kid), unknown);
    assert.equal(await ask(two.kid), 'given');
  });

  it('that may not be stale are waited for once in an outage', async () => {
    const { state, ask } = open({ waits: true });
    await ask(one.kid);
    state.ms += maxAgeMs + 1;
    state.answer = away;
    assert.equal(await ask(one.kid), 'given');
    state.ms += 2_000;
    state.answer = never;
    assert.equal(await ask(one.kid), 'given');
    assert.equal(state.fetches, 3);
  });

  it('serve though another of their set is of a kind that verifies nothing', async () => {
    const { state, ask } = open();
    state.answer = async () => ({ keys: [{ kty: 'oct', k: 'AAAA', kid: 'x' }, ...setOf(one).keys] });
    assert.equal(await ask(one.kid), 'given');
  });

  for (const kty of ['oct', 'XRSA', 'RSAX']) {
    it(`are not undone by a set of keys of the kind ${kty}`, async () => {
      const { state, ask } = open({ waits: true });
      await ask(one.kid);
      state.ms += maxAgeMs + 1;
      state.answer = async () => ({ keys: [{ kty, k: 'AAAA', kid: 'x' }] });
      assert.equal(await ask(one.kid), 'given');
    });
  }
});
