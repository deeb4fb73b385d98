import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keepSpans } from '@onbehalf/chassis/spans.fake';
import { inOwnTrace } from '@onbehalf/chassis/tracing';
import type { Request, Response } from 'express';
import { createFlowTrace, loginCookiePrefix } from './flow-trace.ts';
import { loginSeconds, maxLogins } from './lifetimes.ts';
import { createLogins, type Login } from './logins.ts';
import { createSeal } from './seal.ts';
import { ringOf } from './testbed.fake.ts';

const ring = () => ringOf('a');
const flowTrace = createFlowTrace(ring);
const clock = { seconds: 1_800_000_000 };
const loginsOf = (responseMode: 'query' | 'form_post' = 'query') =>
  createLogins({ seal: createSeal(ring), flowTrace, responseMode, nowSeconds: () => clock.seconds });
const logins = loginsOf();

type Kept = { value: string; options: object };

/** A browser's cookies: `write` puts a login into them, `read` looks for the one of a state. */
function browser(...names: string[]) {
  const cookies = new Map<string, Kept>(names.map((name) => [name, { value: 'x', options: {} }]));
  const req = () =>
    ({ headers: { cookie: [...cookies].map(([name, { value }]) => `${name}=${value}`).join('; ') } }) as Request;
  const res = {
    cookie: (name: string, value: string, options: object) => cookies.set(name, { value, options }),
    clearCookie: (name: string) => cookies.delete(name),
  } as unknown as Response;
  return {
    cookies,
    write: (login: Login, of = logins) => of.write(req(), res, login),
    read: async (state: string) => (await logins.read(req(), state))?.login,
    carried: async (state: string) => (await logins.read(req(), state))?.carried?.span,
    origin: (state: string) => flowTrace.originOf({ ...req(), url: `/auth/callback?state=${state}` } as Request),
  };
}

function login(more: Partial<Login> = {}): Login {
  const attempt = {
    state: logins.newState(),
    nonce: 'n',
    verifier: 'v',
    traceId: 't',
    startedAtSeconds: clock.seconds,
  };
  return { ...attempt, returnTo: '/profile', scopes: [], resumed: [], again: false, ...more };
}
const resumed = (target: string, claims: string) => ({ target, kind: 'claims' as const, claims, atSeconds: 1 });
/** A login whose JSON has so many bytes. */
function ofBytes(bytes: number, more: Partial<Login> = {}): Login {
  const empty = login({ ...more, loginHint: '' });
  return { ...empty, loginHint: 'h'.repeat(bytes - Buffer.byteLength(JSON.stringify(empty))) };
}

describe('an attempt to sign in', () => {
  it('comes back as it was, by its state alone', async () => {
    const { write, read } = browser();
    const [one, other] = [login({ resumed: [resumed('a', 'x'), resumed('b', 'y')] }), login()];
    await write(one);
    await write(other);
    assert.deepEqual([await read(one.state), await read(other.state)], [one, other]);
    assert.equal(await read(`${one.state}x`), undefined);
    assert.equal(await read(`${one.state.split('.')[0]}.${other.state.split('.')[1]}`), undefined);
    assert.equal(await read(login().state), undefined);
  });

  it('is good for fifteen minutes', async () => {
    const { write, read, cookies } = browser();
    const one = login();
    await write(one);
    assert.deepEqual(
      [...cookies.values()].map(({ options }) => options),
      [{ httpOnly: true, secure: true, path: '/', sameSite: 'lax', maxAge: 900_000 }],
    );
    clock.seconds += loginSeconds;
    assert.deepEqual(await read(one.state), one);
    clock.seconds += 1;
    assert.equal(await read(one.state), undefined);
    clock.seconds -= loginSeconds + 1;
  });

  it('crosses sites only where Entra answers by a form', async () => {
    const { write, cookies } = browser();
    await write(login(), loginsOf('form_post'));
    assert.deepEqual(
      [...cookies.values()].map(({ options }) => (options as { sameSite: string }).sameSite),
      ['none'],
    );
  });

  it('has a state of 256 random bits whose first part names the cookie and sorts by age', async () => {
    const { write, cookies } = browser();
    const one = login();
    assert.match(one.state, /^[0-9a-z]{8}-[\w-]{8}\.[\w-]{43}$/);
    await write(one);
    assert.deepEqual([...cookies.keys()], [loginCookiePrefix + one.state.split('.')[0]]);
    const before = clock.seconds;
    const states = [before, before + 1, 36 ** 6 - 1, 36 ** 6].map((seconds) => {
      clock.seconds = seconds;
      return logins.newState();
    });
    clock.seconds = before;
    assert.deepEqual(states.toSorted(), states);
  });

  it('takes the place of the oldest, in whatever order a browser sends them, and of nothing else', async () => {
    const names = Array.from({ length: maxLogins }, (_, i) => `${loginCookiePrefix}0000000${i}-a`);
    const { write, cookies } = browser('other', ...names.toReversed(), 'a-login-', 'zz');
    const one = login();
    await write(one);
    const own = loginCookiePrefix + one.state.split('.')[0];
    assert.deepEqual([...cookies.keys()].sort(), ['other', 'a-login-', 'zz', ...names.slice(1), own].sort());
  });

  it('is kept whole while it fits, else without the demands of others, else leading to the start', async () => {
    const { write, read } = browser();
    const demands = [resumed('a', 'x'.repeat(400)), resumed('b', 'y'.repeat(400))];
    const [whole, alone, much] = [2_700, 2_701, 3_200].map((bytes) => ofBytes(bytes, { resumed: demands })) as [
      Login,
      Login,
      Login,
    ];
    for (const one of [whole, alone, much]) await write(one);
    assert.deepEqual(await read(whole.state), whole);
    assert.deepEqual(await read(alone.state), { ...alone, resumed: demands.slice(0, 1) });
    assert.deepEqual(await read(much.state), { ...much, resumed: demands.slice(0, 1), returnTo: '/' });
  });

  it('carries the trace of its flow, where there is one', async () => {
    keepSpans();
    const { write, carried, read, origin } = browser();
    const one = login();
    const span = await inOwnTrace('sign-in', async (active) => {
      await write(one);
      return active?.spanContext();
    });
    assert.ok(span);
    assert.deepEqual(await read(one.state), one);
    assert.equal((await carried(one.state))?.spanId, span.spanId);
    assert.equal(origin(one.state).parent?.spanId, span.spanId);
  });
});
