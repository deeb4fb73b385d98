import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { accept, callApi, pick, session, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { Answer, Visitor } from '../kit/visitor.ts';

const sessionCookie = '__Host-Http-session';

const system = await openSystem({ frontend: true, name: 'attacks', brokers: 3 });
after(() => system.close());

async function signedIn(person: string): Promise<Visitor> {
  const visitor = system.visitor();
  await signIn(visitor, system, person);
  return visitor;
}

async function cookieOf(visitor: Visitor): Promise<string> {
  const found = (await visitor.jar.getCookies(system.web)).find(({ key }) => key === sessionCookie);
  return found?.value ?? '';
}

/** Puts a session cookie of the attacker's choice into somebody's browser, as a hole elsewhere might allow. */
async function plant(visitor: Visitor, value: string): Promise<void> {
  await visitor.jar.setCookie(`${sessionCookie}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax`, system.web);
}

async function whoIs(visitor: Visitor): Promise<unknown> {
  const { body } = await session(visitor);
  return (body.person as { username: string } | undefined)?.username;
}

/** What a thief with this cookie and no browser gets. */
function steal(thief: Visitor, value: string, path: string): Promise<Answer> {
  const headers = { cookie: `${sessionCookie}=${value}`, 'x-csrf': '1', 'sec-fetch-site': 'same-origin' };
  return thief.send(`${system.web}${path}`, { headers });
}

describe('session fixation', () => {
  it('gives nothing to whoever planted their own session: signing in makes another, and theirs ends', async () => {
    const attacker = await signedIn('bob');
    const planted = await cookieOf(attacker);
    const alice = system.visitor();
    await plant(alice, planted);
    await alice.open(`${system.web}/sign-in`);
    await pick(alice, system, 'alice');
    await accept(alice, system);
    assert.equal(await whoIs(alice), 'alice@contoso.test');
    assert.notEqual(await cookieOf(alice), planted);
    assert.equal((await steal(system.visitor(), planted, '/session')).status, 401);
  });

  it('cannot make up a session: what we did not seal is not taken over', async () => {
    const alice = system.visitor();
    await plant(alice, 'chosen-by-the-attacker');
    await signIn(alice, system, 'alice');
    assert.notEqual(await cookieOf(alice), 'chosen-by-the-attacker');
    assert.equal((await steal(system.visitor(), 'chosen-by-the-attacker', '/session')).status, 401);
  });

  it('makes a new session of every sign-in, a stronger one too, and the one before is worth nothing', async () => {
    const alice = await signedIn('alice');
    const first = await cookieOf(alice);
    await alice.open(`${system.web}/sign-in`);
    assert.notEqual(await cookieOf(alice), first);
    assert.equal((await steal(system.visitor(), first, '/session')).status, 401);
  });
});

describe('a callback', () => {
  it("of the attacker's sign-in does not sign somebody else's browser in, or out", async () => {
    const [alice, attacker] = [await signedIn('alice'), system.visitor()];
    await attacker.open(`${system.web}/sign-in`);
    await pick(attacker, system, 'bob');
    const theirs = attacker.answers.find(({ url }) => url.pathname === '/auth/callback');
    assert.ok(theirs);
    await alice.open(theirs.url);
    assert.deepEqual([alice.page.status, alice.page.url.pathname], [200, '/']);
    assert.equal(await whoIs(alice), 'alice@contoso.test');
    const stranger = system.visitor();
    await stranger.open(theirs.url);
    assert.equal(stranger.page.status, 400);
    assert.equal((await session(stranger)).status, 401);
  });

  it('with a mixed-up iss is refused before its code is sent anywhere, and starts no session', async () => {
    const alice = system.visitor();
    const { location = '' } = (await alice.send(`${system.web}/sign-in`)).headers;
    const state = new URL(location).searchParams.get('state') ?? '';
    const mixedUp = new URLSearchParams({ code: 'stolen', state, iss: 'https://evil.example/v2.0' });
    const sent = alice.answers.length;
    await alice.open(`${system.web}/auth/callback?${mixedUp}`);
    assert.equal(alice.page.status, 400);
    assert.match(alice.words, /could not be verified/);
    assert.equal(alice.answers.length, sent + 1, 'it led somewhere');
    assert.equal((await session(alice)).status, 401);
  });
});

describe('a stolen cookie', () => {
  for (const way of ['Sign out', 'Sign out everywhere']) {
    it(`is worth nothing on any pod within a second of "${way}"`, async (t) => {
      const alice = await signedIn('alice');
      await callApi(alice, system);
      const [thief, stolen] = [system.visitor(), await cookieOf(alice)];
      const everyPod = (path: string) => Promise.all(Array.from({ length: 12 }, () => steal(thief, stolen, path)));
      // Every pod now holds the session and its token in memory.
      for (const path of ['/session', '/api/downstream-api/whoami']) {
        assert.deepEqual([...new Set((await everyPod(path)).map(({ status }) => status))], [200]);
      }
      await alice.open(system.web);
      await alice.press(way);
      const endedAtMs = performance.now();
      for (const path of ['/api/downstream-api/whoami', '/session', '/api/downstream-api/payroll']) {
        while ((await everyPod(path)).some(({ status }) => status !== 401)) {
          assert.ok(performance.now() - endedAtMs < 1_000, `${path} still answers`);
        }
      }
      t.diagnostic(`refused everywhere ${Math.round(performance.now() - endedAtMs)} ms after the answer`);
    });
  }
});
