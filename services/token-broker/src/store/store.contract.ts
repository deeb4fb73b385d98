import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { claimsField, type OpenSession, readSignIn, type Store, tokenField, tokensPerPartition } from './store.ts';

const bytes = (text: string) => Buffer.from(text);
const nowSeconds = () => Math.floor(Date.now() / 1_000);

/** What every store must do. `open` gives a store and its way to see the TTLs of all keys, in ms; -1 is immortal. */
export function storeContract(
  name: string,
  open: () => Promise<{ store: Store; ttlMs(key: string): Promise<number> }>,
) {
  describe(`${name} keeps the store's contract:`, () => {
    const key = (kind: string) => `contract:${kind}:{${randomUUID()}}`;
    const session = (sessionHash: string, lives = 60) => ({
      sessionHash,
      expiresAtSeconds: nowSeconds() + lives,
      createdAtSeconds: nowSeconds(),
    });
    const token = (more: object = {}) => ({
      version: undefined,
      fence: 1,
      field: 't:a',
      record: bytes('one'),
      expiresAtSeconds: nowSeconds() + 60,
      expiresWithTokens: true,
      ...more,
    });

    it('writes once, and replaces only what was read', async () => {
      const { store, ttlMs } = await open();
      const k = key('value');
      assert.equal(await store.replace(k, bytes('x'), bytes('y'), 1_000), false, 'there is none');
      assert.equal(await store.setIfAbsent(k, bytes('a\0\xff'), 1_000), true);
      assert.equal(await store.setIfAbsent(k, bytes('b'), 1_000), false);
      assert.deepEqual(await store.get(k), bytes('a\0\xff'));
      assert.equal(await store.replace(k, undefined, bytes('x'), 1_000), false, 'there is one');
      assert.equal(await store.replace(k, bytes('b'), bytes('x'), 1_000), false, 'there is another');
      assert.equal(await store.replace(k, bytes('a\0\xff'), bytes('c'), 60_000), true);
      assert.deepEqual(await store.get(k), bytes('c'));
      assert.ok((await ttlMs(k)) > 50_000);
      assert.equal(await store.replace(k, bytes('b'), undefined, 1_000), false);
      assert.equal(await store.replace(k, bytes('c'), undefined, 1_000), true);
      assert.equal(await store.get(k), undefined);
      assert.equal(await store.replace(k, undefined, bytes('d'), 60_000), true);
      assert.deepEqual(await store.get(k), bytes('d'));
      assert.ok((await ttlMs(k)) > 50_000);
    });

    it('gives two values at once, of one place or of two', async () => {
      const { store } = await open();
      const [one, other] = [key('value'), key('value')];
      const beside = `${one}:beside`;
      for (const k of [one, other, beside]) await store.set(k, bytes(k), 60_000);
      for (const k of [other, beside]) assert.deepEqual(await store.getBoth(one, k), [bytes(one), bytes(k)]);
      for (const k of [key('none'), `${one}:none`]) {
        assert.deepEqual(await store.getBoth(one, k), [bytes(one), undefined]);
        assert.deepEqual(await store.getBoth(k, one), [undefined, bytes(one)]);
      }
    });

    it('keeps a set as long as its longest member', async () => {
      const { store, ttlMs } = await open();
      const k = key('set');
      assert.equal(await store.addMember(k, 'a', 60_000), 1);
      assert.equal(await store.addMember(k, 'b', 1_000), 2);
      assert.equal(await store.addMember(k, 'b', 1_000), 2);
      assert.ok((await ttlMs(k)) > 50_000);
      assert.deepEqual((await store.members(k)).sort(), ['a', 'b']);
      await store.removeMember(k, 'a');
      assert.deepEqual(await store.members(k), ['b']);
      await store.forceMember(k, 'c', 1_000);
      await store.forceMember(k, 'c', 1_000);
      assert.deepEqual((await store.members(k)).sort(), ['b', 'c']);
      assert.ok((await ttlMs(k)) > 50_000, 'forcing one in shortens nothing');
      const forced = key('set');
      await store.forceMember(forced, 'a', 60_000);
      assert.ok((await ttlMs(forced)) > 50_000);
    });

    it('gives a lease to one owner at a time, with a growing fence', async () => {
      const { store } = await open();
      const k = key('lease');
      const first = await store.takeLease(k, 'a', 5_000);
      assert.ok('fence' in first);
      const held = await store.takeLease(k, 'b', 5_000);
      assert.ok('heldForMs' in held && held.heldForMs > 4_000);
      assert.equal(await store.renewLease(k, 'b', 5_000), false);
      assert.equal(await store.renewLease(k, 'a', 5_000), true);
      await store.releaseLease(k, 'b');
      assert.ok('heldForMs' in (await store.takeLease(k, 'b', 5_000)), "another's release changes nothing");
      await store.releaseLease(k, 'a');
      const second = await store.takeLease(k, 'b', 5_000);
      assert.ok('fence' in second && second.fence > first.fence);
    });

    it('wakes a waiter when the lease is given back', async () => {
      const { store } = await open();
      const k = key('lease');
      await store.takeLease(k, 'a', 30_000);
      using release = store.channel.listenForRelease(k);
      await store.releaseLease(k, 'a');
      await release.heard(30_000);
    });

    it('tells everyone what to forget', async () => {
      const { store } = await open();
      const k = key('gone');
      const told = new Promise<void>((resolve) => store.channel.onInvalidate((name) => name === k && resolve()));
      await store.invalidate([k]);
      await told;
    });

    it('loses no token when scopes of one partition are written at once', async () => {
      const { store, ttlMs } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('s'), msal: bytes('rt') });
      const { version } = await store.readPartition(k, []);
      const fields = Array.from({ length: 10 }, (_, i) => `t:${i}`);
      const writes = fields.map((field, i) =>
        store.writeToken(k, { ...token(), version, field, msal: bytes(`rt${i}`), expiresWithTokens: false }),
      );
      assert.deepEqual(new Set(await Promise.all(writes)), new Set(['written']));
      const after = await store.readPartition(k, fields);
      assert.ok(after.records.every((record) => record?.equals(bytes('one'))));
      assert.notEqual(after.version, version);
      assert.match(String(after.msal), /^rt\d$/, 'exactly one of them replaced the cache');
      assert.ok((await ttlMs(k)) > 0);
    });

    it('keeps the cache of who wrote first, and the tokens of both', async () => {
      const { store } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('s'), msal: bytes('rt') });
      const { version } = await store.readPartition(k, []);
      const write = (field: string, msal: string, read = version) =>
        store.writeToken(k, { ...token(), version: read, field, msal: bytes(msal), expiresWithTokens: false });
      assert.equal(await write('t:a', 'first'), 'written');
      const first = await store.readPartition(k, []);
      assert.equal(await write('t:b', 'late'), 'written');
      const after = await store.readPartition(k, ['t:a', 't:b']);
      assert.deepEqual([after.msal, after.version], [bytes('first'), first.version]);
      assert.ok(after.records.every((one) => one?.equals(bytes('one'))));
      assert.equal(await write('t:c', 'next', first.version), 'written');
      const next = await store.readPartition(k, []);
      assert.deepEqual(next.msal, bytes('next'));
      await store.openSession(k, { session: session('s2'), msal: bytes('signed in') });
      assert.equal(await write('t:d', 'stale', next.version), 'written');
      assert.deepEqual((await store.readPartition(k, [])).msal, bytes('signed in'));
    });

    it('refuses the write of a holder that was overtaken', async () => {
      const { store } = await open();
      const k = key('app');
      assert.equal(await store.writeToken(k, token({ fence: 7, record: bytes('newer') })), 'written');
      assert.equal(await store.writeToken(k, token({ fence: 6, record: bytes('late') })), 'fenced');
      assert.deepEqual(await store.readRecord(k, 't:a'), bytes('newer'));
    });

    it('refuses the write into a partition that ended, also when it lives again', async () => {
      const { store } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('s1'), msal: bytes('rt') });
      const { version } = await store.readPartition(k, []);
      const late = { ...token(), version, expiresWithTokens: false };
      assert.equal(await store.closeSessions(k, ['s1']), true);
      assert.equal(await store.writeToken(k, late), 'gone');
      await store.openSession(k, { session: session('s2'), msal: bytes('rt2') });
      assert.equal(await store.writeToken(k, late), 'gone');
      assert.equal(await store.readRecord(k, 't:a'), undefined);
    });

    it('lets the holder of a lease write again', async () => {
      const { store } = await open();
      const k = key('app');
      assert.equal(await store.writeToken(k, token({ fence: 7 })), 'written');
      assert.equal(await store.writeToken(k, token({ fence: 7, record: bytes('again') })), 'written');
      assert.deepEqual(await store.readRecord(k, 't:a'), bytes('again'));
    });

    it('refuses the write into a token partition that was deleted meanwhile', async () => {
      const { store } = await open();
      const k = key('obo');
      assert.equal(await store.writeToken(k, token()), 'written');
      const { version } = await store.readPartition(k, []);
      await store.delete(k);
      assert.equal(await store.writeToken(k, token({ version })), 'gone');
      assert.equal((await store.readPartition(k, [])).version, undefined);
    });

    it('takes a token that was acquired before the person signed in again, but not its older cache', async () => {
      const { store } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('s1'), msal: bytes('rt') });
      const { version } = await store.readPartition(k, []);
      await store.openSession(k, { session: session('s2'), msal: bytes('rt of s2') });
      const late = token({ version, msal: bytes('rt of s1'), expiresWithTokens: false });
      assert.equal(await store.writeToken(k, late), 'written');
      const { msal, records } = await store.readPartition(k, ['t:a']);
      assert.deepEqual([msal, records[0]], [bytes('rt of s2'), bytes('one')]);
    });

    it('takes the cache of whoever read the last one, and of nobody else', async () => {
      const { store } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('s'), msal: bytes('rt') });
      const write = (version: string | undefined, msal?: string) =>
        store.writeToken(k, token({ version, msal: msal && bytes(msal), expiresWithTokens: false }));
      const { version: first } = await store.readPartition(k, []);
      await write(first, 'rt1');
      const { version: second } = await store.readPartition(k, []);
      await write(second, 'rt2');
      for (const late of [first, second]) await write(late, 'late');
      assert.deepEqual((await store.readPartition(k, [])).msal, bytes('rt2'));
      const { version: third } = await store.readPartition(k, []);
      await write(third);
      assert.deepEqual(await store.readPartition(k, []), { version: third, msal: bytes('rt2'), records: [] });
    });

    it('does not shorten the life of an account partition by a token', async () => {
      const { store, ttlMs } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('s', 600), msal: bytes('rt') });
      const { version } = await store.readPartition(k, []);
      await store.writeToken(k, token({ version, expiresWithTokens: false }));
      assert.ok((await ttlMs(k)) > 500_000);
    });

    it('gives back when each session began and ends', async () => {
      const { store } = await open();
      const k = key('account');
      const began = { ...session('a', 30), createdAtSeconds: nowSeconds() - 100 };
      await store.openSession(k, { session: began, msal: bytes('rt') });
      const other = session('b', 300);
      const byName = (a: OpenSession, b: OpenSession) => (a.sessionHash < b.sessionHash ? -1 : 1);
      const opened = await store.openSession(k, { session: other, msal: bytes('rt') });
      assert.deepEqual(opened.sort(byName), [began, other]);
      assert.deepEqual((await store.openSessions(k)).sort(byName), [began, other]);
    });

    it('never makes an account partition by a token write', async () => {
      const { store } = await open();
      assert.equal(await store.writeToken(key('account'), token({ expiresWithTokens: false })), 'gone');
    });

    it('takes what was sealed anew, but not over what changed meanwhile', async () => {
      const { store, ttlMs } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('s'), msal: bytes('rt') });
      const { version } = await store.readPartition(k, []);
      await store.writeToken(k, { ...token({ version, fence: 5, expiresWithTokens: false }) });
      await store.reseal(k, 't:a', bytes('one'), bytes('anew'));
      await store.reseal(k, 'msal', bytes('rt'), bytes('rt anew'));
      await store.reseal(k, 't:a', bytes('one'), bytes('late'));
      await store.reseal(k, 't:b', bytes('one'), bytes('from nothing'));
      const after = await store.readPartition(k, ['t:a', 't:b']);
      assert.deepEqual(after, { version, msal: bytes('rt anew'), records: [bytes('anew'), undefined] });
      assert.equal(await store.writeToken(k, token({ version, fence: 4, expiresWithTokens: false })), 'fenced');
      await store.reseal(key('account'), 'msal', bytes('rt'), bytes('x'));
      assert.ok((await ttlMs(k)) > 0);
    });

    it('tells a new sign-in from a write by the version', async () => {
      const { store } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('s1'), msal: bytes('rt') });
      const { version: first } = await store.readPartition(k, []);
      await store.writeToken(k, { ...token({ version: first, msal: bytes('rt2'), expiresWithTokens: false }) });
      const { version: written } = await store.readPartition(k, []);
      assert.notEqual(written, first);
      assert.equal(readSignIn(written), readSignIn(first));
      const signIns = new Set([readSignIn(first)]);
      for (const hash of ['s2', 's3', 's4']) {
        await store.openSession(k, { session: session(hash), msal: bytes('rt3') });
        signIns.add(readSignIn((await store.readPartition(k, [])).version));
      }
      assert.equal(signIns.size, 4);
    });

    it('keeps a partition as long as its longest session, and drops it with the last', async () => {
      const { store, ttlMs } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('long', 300), msal: bytes('rt') });
      await store.openSession(k, { session: session('short', 30), msal: bytes('rt') });
      assert.ok((await ttlMs(k)) > 250_000);
      assert.equal(await store.closeSessions(k, ['long', 'unknown']), false);
      assert.ok((await ttlMs(k)) <= 30_000);
      assert.equal(await store.touchSession(k, session('short', 600)), true);
      assert.ok((await ttlMs(k)) > 500_000);
      assert.equal(await store.touchSession(k, session('long', 600)), false);
      const hashes = async (open: ReturnType<Store['openSessions']>) => (await open).map((one) => one.sessionHash);
      assert.deepEqual(await hashes(store.openSessions(k)), ['short']);
      assert.equal(await store.closeSessions(k, ['short']), true);
      assert.deepEqual(await hashes(store.openSessions(k)), []);
      assert.equal((await store.readPartition(k, [])).version, undefined);
    });

    it('adds a session beside one that is open, and beside none that is not', async () => {
      const { store, ttlMs } = await open();
      const k = key('account');
      assert.equal(await store.touchSession(k, session('job', 600), 'first'), false);
      assert.equal((await store.readPartition(k, [])).version, undefined);
      await store.openSession(k, { session: session('first', 300), msal: bytes('rt') });
      assert.equal(await store.touchSession(k, session('job', 600), 'second'), false);
      assert.equal(await store.touchSession(k, session('job', 600), 'first'), true);
      assert.ok((await ttlMs(k)) > 500_000);
      assert.equal(await store.closeSessions(k, ['first']), false);
      const left = await store.openSessions(k);
      assert.deepEqual(left, [session('job', 600)]);
      assert.equal((await store.readPartition(k, [])).msal?.toString(), 'rt');
      assert.equal(await store.closeSessions(k, ['job']), true);
    });

    it('tells no session that has expired, whoever wrote last', async () => {
      const { store } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('long'), msal: bytes('rt') });
      const both = await store.openSession(k, { session: session('short', 2), msal: bytes('rt') });
      assert.equal(both.length, 2);
      let left = both;
      for (let tries = 0; left.length === 2 && tries < 100; tries += 1) {
        await delay(50);
        left = await store.openSessions(k);
      }
      assert.deepEqual(
        left.map((one) => one.sessionHash),
        ['long'],
      );
    });

    it('prunes expired tokens and sessions when it writes', async () => {
      const { store } = await open();
      const k = key('account');
      await store.openSession(k, { session: session('dead', -1), msal: bytes('rt') }).catch(() => {});
      await store.openSession(k, { session: session('s'), msal: bytes('rt') });
      const { version } = await store.readPartition(k, []);
      const account = { version, expiresWithTokens: false };
      await store.writeToken(k, { ...token(account), field: 't:old', expiresAtSeconds: nowSeconds() });
      await store.writeToken(k, { ...token(account), field: 't:new' });
      assert.equal(await store.readRecord(k, 't:old'), undefined);
      const left = await store.openSessions(k);
      assert.deepEqual(
        left.map((one) => one.sessionHash),
        ['s'],
      );
    });

    it('keeps so many tokens of a partition: the oldest go first, those with claims before all others', async () => {
      for (const kind of ['account', 'obo', 'app']) {
        const { store } = await open();
        const k = key(kind);
        const expiresWithTokens = kind !== 'account';
        if (!expiresWithTokens) await store.openSession(k, { session: session('s'), msal: bytes('rt') });
        const { version } = await store.readPartition(k, []);
        let fence = 0;
        const write = async (field: string) => {
          fence += 1;
          assert.equal(await store.writeToken(k, token({ version, field, fence, expiresWithTokens })), 'written');
        };
        const held = async (fields: string[]) => {
          const { records } = await store.readPartition(k, fields);
          return fields.filter((_, i) => records[i]);
        };
        const plain = Array.from({ length: tokensPerPartition + 2 }, (_, i) => `${tokenField}${i}`);
        const claims = Array.from({ length: 3 * tokensPerPartition }, (_, i) => `${claimsField}${i}`);
        for (const field of plain.slice(0, 4)) await write(field);
        for (const field of claims) await write(field);
        assert.deepEqual(await held(claims), claims.slice(4 - tokensPerPartition), kind);
        for (const field of plain.slice(4)) await write(field);
        assert.deepEqual(await held(claims), []);
        assert.deepEqual(await held(plain), plain.slice(2));
        await write(claims[0] ?? '');
        assert.deepEqual(await held([claims[0] ?? '', ...plain]), [claims[0], ...plain.slice(3)], 'the newest stays');
        if (!expiresWithTokens) assert.equal((await store.openSessions(k)).length, 1, 'sessions are no tokens');
      }
    });

    it('lets a token partition live as long as its longest token', async () => {
      const { store, ttlMs } = await open();
      const k = key('obo');
      await store.writeToken(k, token({ expiresAtSeconds: nowSeconds() + 600 }));
      await store.writeToken(k, token({ field: 't:b' }));
      assert.ok((await ttlMs(k)) > 500_000);
    });
  });
}
