import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keepSpans } from '@onbehalf/node/core/telemetry/spans.fake';
import { inOwnTrace } from '@onbehalf/node/core/telemetry/tracing';
import { loginSeconds, maxLogins } from '@onbehalf/node/lifetimes';
import { heardResponse } from '@onbehalf/node/web/http/response.fake';
import { cookieBytes, maxCookieHeaderBytes } from '@onbehalf/node/web/session/cookies';
import { createFlowTrace, loginCookiePrefix } from '@onbehalf/node/web/session/flow-trace';
import { type Login, Logins, maxLoginBytes, stateLooks } from '@onbehalf/node/web/session/logins';
import { createSeal } from '@onbehalf/node/web/session/seal';
import { sessionCookie } from '@onbehalf/node/web/session/session';
import { arrived, incompressible, location, ringOf } from '../testbed.fake.ts';

const ring = () => ringOf('a');
const flowTrace = createFlowTrace(ring);
const { maxSessionBytes } = location;
const clock = { ms: 1_800_000_000_000 };
const loginsOf = (responseMode: 'query' | 'form_post' = 'query', sameSite: 'lax' | 'strict' = 'lax') =>
  new Logins({ seal: createSeal(ring), flowTrace, responseMode, sameSite, nowMs: () => clock.ms });
const logins = loginsOf();

type Kept = { value: string; flags: string };

/** A browser's cookies: `write` puts a login into them, `read` looks for the one of a state. */
function browser(...names: string[]) {
  const cookies = new Map<string, Kept>(names.map((name) => [name, { value: 'x', flags: '' }]));
  const req = () =>
    arrived({ headers: { cookie: [...cookies].map(([name, { value }]) => `${name}=${value}`).join('; ') } });
  const res = heardResponse(
    ({ name, gone, ...kept }) => (gone ? cookies.delete(name) : cookies.set(name, kept)),
    () => {},
  );
  return {
    cookies,
    write: (login: Login, of = logins) => of.write(req(), res, login),
    clear: (login: Login, sessionBytes?: number) => logins.clear(req(), res, login, sessionBytes),
    bytes: () => [...cookies].reduce((sum, [name, { value }]) => sum + cookieBytes(name, value), 0),
    read: async (state: string) => (await logins.read(req(), state))?.login,
    carried: async (state: string) => (await logins.read(req(), state))?.carried?.span,
    origin: (state: string) => flowTrace.originOf(req(), { location, target: `/auth/callback?state=${state}` }),
  };
}

function login(more: Partial<Login> = {}): Login {
  const attempt = { ...logins.newProofs(), traceId: 't' };
  return { ...attempt, returnTo: '/profile', scopes: [], resumed: [], again: false, ...more };
}
const resumed = (target: string, claims: string) => ({ target, kind: 'claims' as const, claims, atSeconds: 1 });

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
    assert.equal(loginSeconds, 900);
    assert.deepEqual(
      [...cookies.values()].map(({ flags }) => flags),
      ['Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Lax'],
    );
    clock.ms += loginSeconds * 1_000;
    assert.deepEqual(await read(one.state), one);
    clock.ms += 1;
    assert.equal(await read(one.state), undefined);
    clock.ms -= loginSeconds * 1_000 + 1;
  });

  it('crosses sites only where Entra responds by a form', async () => {
    const { write, cookies } = browser();
    await write(login(), loginsOf('form_post'));
    assert.deepEqual(
      [...cookies.values()].map(({ flags }) => flags.split('; ').at(-1)),
      ['SameSite=None'],
    );
  });

  it('has a state of 256 random bits whose first part names the cookie and sorts by age, to the millisecond', async () => {
    const { write, cookies } = browser();
    const one = login();
    assert.match(one.state, /^[0-9a-z]{9}-[\w-]{8}\.[\w-]{43}$/);
    assert.match(one.state, stateLooks);
    for (const proof of [one.nonce, one.verifier]) assert.match(proof, /^[\w-]{43}$/);
    assert.equal(new Set([one.nonce, one.verifier, one.seed, one.state.split('.')[1]]).size, 4);
    await write(one);
    assert.deepEqual([...cookies.keys()], [loginCookiePrefix + one.state.split('.')[0]]);
    const before = clock.ms;
    const states = [before, before + 1, before + 2, 36 ** 8 - 1, 36 ** 8].map((ms) => {
      clock.ms = ms;
      return logins.newProofs().state;
    });
    clock.ms = before;
    assert.deepEqual(states.toSorted(), states);
  });

  it('takes the place of the oldest, in whatever order a browser sends them, and of nothing else', async () => {
    const names = Array.from({ length: maxLogins }, (_, i) => `${loginCookiePrefix}0000000${i}-a`);
    const odd = `${loginCookiePrefix}(`;
    const { write, cookies } = browser('other', ...names.toReversed(), 'a-login-', 'zz', odd);
    const one = login();
    await write(one);
    const own = loginCookiePrefix + one.id;
    assert.deepEqual([...cookies.keys()].sort(), ['other', 'a-login-', 'zz', odd, ...names.slice(1), own].sort());
  });

  it('goes by the millisecond it began in, not by chance', async () => {
    const { write, read } = browser();
    const attempts: Login[] = [];
    for (let tab = 0; tab < 40; tab += 1) {
      clock.ms += 1;
      attempts.push(login());
      await write(attempts[tab] as Login);
    }
    const kept = await Promise.all(attempts.map(async ({ state }) => (await read(state)) !== undefined));
    assert.deepEqual(
      kept.flatMap((is, tab) => (is ? [tab] : [])),
      [35, 36, 37, 38, 39],
    );
  });

  it('is kept whole while it fits, else without the step-ups of others, without hints, leading to the start', async () => {
    const { write, read } = browser();
    const claims = incompressible(500);
    const stepUps = [resumed('a', claims), resumed('b', incompressible(300))];
    const given = { claims, resumed: stepUps, loginHint: 'h'.repeat(150) };
    const without = (one: Login) => ({ ...one, resumed: stepUps.slice(0, 1) });
    const rows: [path: number, kept: (one: Login) => Login][] = [
      [20, (one) => one],
      [300, without],
      [550, ({ loginHint: _, ...one }) => without(one)],
      [900, ({ loginHint: _, ...one }) => ({ ...without(one), returnTo: '/' })],
    ];
    for (const [length, kept] of rows) {
      const one = login({ ...given, returnTo: `/${incompressible(length)}` });
      await write(one);
      assert.deepEqual(await read(one.state), kept(one), `${length}`);
    }
  });

  it('is never larger than it may be, nor are all together with the session, whatever they are begun with', async () => {
    keepSpans();
    for (const sameSite of ['lax', 'strict'] as const) {
      for (const session of sameSite === 'strict' ? [0] : [0, 700, maxSessionBytes]) {
        for (const claims of [0, 60, 400, 800]) {
          for (const path of [1, 200, 400, 700, 1_000]) {
            const { write, cookies, read, bytes, clear } = browser();
            const signedIn = (size: number) => {
              const value = 'x'.repeat(Math.max(0, size - cookieBytes(sessionCookie, '')));
              if (size > 0) cookies.set(sessionCookie, { value, flags: '' });
            };
            signedIn(session);
            for (let tab = 0; tab < 8; tab += 1) {
              clock.ms += 1;
              const asked = incompressible(claims);
              const more = { claims: asked, resumed: [resumed('a', asked)] };
              const one = login({
                ...(claims > 0 && more),
                ...{ returnTo: `/${incompressible(path)}`, replaces: 'r'.repeat(43), traceId: 'a'.repeat(32) },
              });
              await inOwnTrace('sign-in', () => write(one, loginsOf('query', sameSite)));
              const where = `${sameSite}, session ${session}, claims ${claims}, path ${path}, tab ${tab}`;
              const { value = '' } = cookies.get(loginCookiePrefix + one.id) ?? {};
              assert.ok(value !== '' && cookieBytes(loginCookiePrefix + one.id, value) <= maxLoginBytes, where);
              const unseen = sameSite === 'strict' ? maxSessionBytes : 0;
              assert.ok(bytes() + unseen <= maxCookieHeaderBytes, `${where}: ${bytes()}`);
              assert.equal((await read(one.state))?.claims, claims > 0 ? asked : undefined, where);
              if (claims === 0) assert.equal((await read(one.state))?.returnTo, one.returnTo, where);
              if (tab < 7) continue;
              // Its completion makes a session as large as any.
              clear(one, maxSessionBytes);
              signedIn(maxSessionBytes);
              assert.ok(bytes() <= maxCookieHeaderBytes, `${where}, signed in: ${bytes()}`);
            }
          }
        }
      }
    }
  });

  it('begins in five tabs at once beside a usual session', async () => {
    const { write, cookies, read } = browser();
    cookies.set(sessionCookie, { value: 'x'.repeat(800), flags: '' });
    const attempts = Array.from({ length: 5 }, (_, tab) =>
      login({ returnTo: `/orders?tab=${tab}`, replaces: 'r'.repeat(43), traceId: 'a'.repeat(32) }),
    );
    for (const one of attempts) await write(one);
    assert.deepEqual(await Promise.all(attempts.map(({ state }) => read(state))), attempts);
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
