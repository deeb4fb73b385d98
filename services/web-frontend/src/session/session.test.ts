import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stepUpLoopSeconds } from '@onbehalf/node/lifetimes';
import { type HeardCookie, heardResponse } from '@onbehalf/node/web/http/response.fake';
import { cookieBytes } from '@onbehalf/node/web/session/cookies';
import { createSeal } from '@onbehalf/node/web/session/seal';
import {
  claimsFor,
  createSessions,
  isSameStepUp,
  type Resumption,
  type Session,
  sessionCookie,
  wasJustSatisfied,
} from '@onbehalf/node/web/session/session';
import { arrived, incompressible, location, ringOf } from '../testbed.fake.ts';

/** A session's way into a browser and back, and what is set on the way; the ring may change in between. */
function browser(sameSite: 'lax' | 'strict' = 'lax') {
  const keys = { ring: ringOf('a') };
  const sessions = createSessions({ seal: createSeal(() => keys.ring), sameSite });
  const set: Pick<HeardCookie, 'name' | 'value' | 'flags'>[] = [];
  const headers = new Map<string, string>();
  const heard = heardResponse(
    (cookie) => set.push(cookie),
    (name, value) => headers.set(name, value),
  );
  const res = Object.assign(heard, { req: arrived({}) });
  const req = () => arrived({ headers: { cookie: `${sessionCookie}=${set.at(-1)?.value}` } });
  return {
    ...{ keys, set, headers },
    write: (session: Session) => sessions.write(res, session),
    clear: () => sessions.clear(res),
    read: () => sessions.read(req(), res),
  };
}

const stepUp = (target: string, more: Partial<Resumption> = {}): Resumption => ({
  ...{ target, kind: 'claims', atSeconds: 1_000 },
  ...more,
});
const session = (more: Partial<Session> = {}): Session => ({ token: 't', oid: 'o', tid: 'd', resumed: [], ...more });

describe('a session cookie', () => {
  it('comes back as it was, and is cleared as it was set', async () => {
    for (const sameSite of ['lax', 'strict'] as const) {
      const { write, read, clear, set, headers } = browser(sameSite);
      const whole = session({ name: 'n', username: 'u', loginHint: 'h', resumed: [stepUp('a'), stepUp('b')] });
      await write(whole);
      assert.deepEqual(await read(), whole);
      assert.equal(headers.size, 0);
      clear();
      assert.match(headers.get('Clear-Site-Data') ?? '', /cache/);
      const flags = `Path=/; HttpOnly; Secure; SameSite=${sameSite === 'lax' ? 'Lax' : 'Strict'}`;
      assert.deepEqual(
        set.map((cookie) => [cookie.name, cookie.flags]),
        [
          [sessionCookie, flags],
          [sessionCookie, flags],
        ],
      );
      assert.equal(set.at(-1)?.value, '');
    }
  });

  it('is sealed anew when another key is current, and only then', async () => {
    const { keys, write, read, set } = browser();
    await write(session());
    await read();
    assert.equal(set.length, 1);
    keys.ring = ringOf('b', 'a');
    assert.deepEqual(await read(), session());
    assert.equal(set.length, 2);
    keys.ring = ringOf('b');
    assert.deepEqual(await read(), session());
    keys.ring = ringOf('c');
    assert.equal(await read(), undefined);
    assert.equal(set.length, 2, 'another pod may have the key already');
  });

  it('takes its share of what a browser sends: older step-ups go first, then the hint, the ends of names, the claims', async () => {
    const { write, read, set } = browser();
    const name = 'ü'.repeat(160);
    const resumed = [stepUp('a', { claims: incompressible(300) }), stepUp('b', { claims: incompressible(300) })];
    const loginHint = (length: number) => incompressible(length);
    const whole = session({ resumed, loginHint: loginHint(100) });
    const alone = session({ resumed, loginHint: loginHint(500), username: name });
    const hintless = session({ resumed, name, username: name, loginHint: loginHint(512) });
    const long = session({ resumed: [stepUp('a', { claims: incompressible(800) })], name, username: name });
    const longest = session({ resumed: [stepUp('a', { claims: incompressible(1_200) })], name });
    const rows: [given: Session, kept: Session][] = [
      [whole, whole],
      [alone, { ...alone, resumed: resumed.slice(0, 1) }],
      [hintless, session({ resumed: resumed.slice(0, 1), name, username: name })],
      [long, { ...long, name: name.slice(0, 40), username: name.slice(0, 40) }],
      [longest, session({ name: name.slice(0, 40) })],
    ];
    for (const [index, [given, kept]] of rows.entries()) {
      const bytes = await write(given);
      assert.deepEqual(await read(), kept, `row ${index}`);
      assert.ok(bytes <= location.maxSessionBytes, `row ${index}: ${bytes}`);
      assert.equal(bytes, cookieBytes(sessionCookie, String(set.at(-1)?.value)));
    }
  });

  it('carries claims of many policies in half their length, and those that were sealed before as they are', async () => {
    const { write, read, set, keys } = browser();
    const policies = {
      access_token: { polids: { values: Array.from({ length: 18 }, (_, i) => `${i}-aaaa-4bbb-8ccc`) } },
    };
    const [claims, before] = [JSON.stringify(policies), '{"access_token":{}}'];
    const bytes = await write(session({ resumed: [stepUp('a', { claims })] }));
    assert.ok(bytes < (await write(session())) + claims.length, `${bytes}`);
    const old = { ...session(), resumed: [{ ...stepUp('a'), claims: before }] };
    set.push({ name: sessionCookie, value: await createSeal(() => keys.ring).seal('session', old), flags: '' });
    assert.equal((await read())?.resumed[0]?.claims, before);
  });
});

describe('a step-up that was satisfied', () => {
  it('is asked for with its claims from then on, of its target alone, the latest first', () => {
    const resumed = [
      stepUp('a', { kind: 'consent' }),
      stepUp('b', { claims: 'of b' }),
      stepUp('a', { claims: 'late' }),
      stepUp('a', { claims: 'early' }),
    ];
    assert.equal(claimsFor(session({ resumed }), 'a'), 'late');
    assert.equal(claimsFor(session({ resumed }), 'c'), undefined);
    assert.equal(claimsFor(session({ resumed: resumed.slice(0, 2) }), 'a'), undefined);
  });

  it('is the same by target, kind and scope, whatever its claims', () => {
    const one = stepUp('a', { scope: 's' });
    assert.ok(isSameStepUp(one, { ...one, claims: 'other', atSeconds: 2 } as Resumption));
    for (const more of [{ target: 'b' }, { kind: 'consent' as const }, { scope: 't' }, { scope: undefined }])
      assert.ok(!isSameStepUp(one, { ...one, ...more }), JSON.stringify(more));
  });

  it('is a loop when it comes again within five minutes', () => {
    const resumed = [stepUp('b'), stepUp('a', { atSeconds: 1_000 })];
    const again = (target: string, now: number) => wasJustSatisfied(session({ resumed }), stepUp(target), now);
    assert.deepEqual([again('a', 1_000), again('a', 1_000 + stepUpLoopSeconds - 1)], [true, true]);
    assert.deepEqual([again('a', 1_000 + stepUpLoopSeconds), again('c', 1_000)], [false, false]);
  });
});
