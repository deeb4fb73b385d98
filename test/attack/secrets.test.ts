import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readKeyRing } from '@onbehalf/node/core/keys/key-ring';
import { createSeal } from '@onbehalf/node/web/session/seal';
import { z } from 'zod';
import { dumpRedis } from '../kit/redis/dump.ts';
import { callApi, pick, signIn, signOut } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import type { Visitor } from '../kit/visitor.ts';
import { filesUnder, personal, secretsOf, spellings, tokenHead } from './canaries.ts';

let system: System;
let visitors: Visitor[];

// Alice stays signed in, so that Redis holds all it ever holds; Bob comes and goes; Dan fails; someone sends rubbish.
before(async () => {
  system = await openSystem({
    frontend: true,
    name: 'secrets',
    env: { web: { LOG_LEVEL: 'debug' }, broker: { LOG_LEVEL: 'debug' } },
  });
  const [alice, bob, dan, stranger] = [system.visitor(), system.visitor(), system.visitor(), system.visitor()];
  visitors = [alice, bob, dan, stranger];
  await signIn(alice, system, 'alice');
  for (const card of ['Who am I?', 'Microsoft Graph']) await callApi(alice, system, card);
  await signIn(bob, system, 'bob');
  await callApi(bob, system);
  await signOut(bob, system);
  await dan.open(`${system.web}/sign-in`);
  await pick(dan, system, 'dan');
  const callback = alice.answers.find(({ url }) => url.pathname === '/auth/callback');
  await stranger.open(callback?.url ?? system.web);
  await alice.send(`${callback?.url}`);
  const authorization = `Bearer ${await system.cluster.mint({ namespace: 'x', name: 'y', audience: 'z' })}`;
  await stranger.send(`${system.api}/whoami`, { headers: { authorization } });
});
after(() => system?.close());

const secretsOfBrowsers = () => secretsOf(visitors);

describe('the logs', () => {
  const logs = () => filesUnder(system.logDir).map((file) => ({ file, text: readFileSync(file, 'utf8') }));

  it('are those of every program, and they do tell of what happened', () => {
    const names = ['downstream-api', 'entra-emulator', 'redis', 'token-broker', 'web-frontend'];
    const own = names.filter((name) => name !== 'redis' || system.redis.logFile);
    assert.deepEqual(readdirSync(system.logDir).sort(), own.map((name) => `${name}.log`).sort());
    assert.ok(logs().every(({ text }) => text.length > 100));
  });

  it('hold no code, state, nonce, cookie value or hint that a browser saw', () => {
    const secrets = secretsOfBrowsers();
    assert.ok(secrets.length > 30, 'the visitors saw too little to prove anything');
    for (const { file, text } of logs()) {
      for (const secret of secrets) {
        for (const spelling of spellings(secret)) assert.ok(!text.includes(spelling), `a secret in ${file}`);
      }
    }
  });

  it('hold no name, e-mail address or object id of a person', () => {
    for (const { file, text } of logs()) {
      for (const value of personal) assert.ok(!text.includes(value), `${value} in ${file}`);
      assert.doesNotMatch(text, /[\w.+-]+(@|%40)[\w-]+\.\w+/, `an e-mail address in ${file}`);
    }
  });

  it('hold nothing that was mounted: no ServiceAccount token, key or password', () => {
    const mounted = filesUnder(system.stateDir).map((file) => readFileSync(file, 'utf8').trim());
    const secrets = mounted.filter((text) => !text.startsWith('{') && text.length > 4 && !text.includes('CERTIFICATE'));
    assert.ok(secrets.length >= 8, 'there is too little to look for');
    for (const { file, text } of logs()) {
      for (const secret of secrets) assert.ok(!text.includes(secret), `a mounted secret in ${file}`);
    }
  });

  it('hold no JWT and no other word as long as a token, verifier or code', () => {
    for (const { file, text } of logs()) {
      assert.doesNotMatch(text, tokenHead, `a JWT in ${file}`);
      const words = text.match(/[\w-]{40,}/g) ?? [];
      assert.deepEqual(words, [], `long words in ${file}`);
    }
  });
});

describe('the session cookie', () => {
  it('holds the session token and who it is, and no token of Entra ID', async () => {
    const [alice] = visitors;
    const cookies = await alice?.jar.getCookies(system.web);
    const sealed = cookies?.find(({ key }) => key === '__Host-Http-session')?.value ?? '';
    const ring = readKeyRing(join(system.stateDir, 'session-keys'));
    const opened = await createSeal(() => ring).open('session', sealed, z.record(z.string(), z.unknown()));
    assert.ok(opened, 'the cookie does not open');
    const known = ['flow', 'loginHint', 'name', 'oid', 'resumed', 'tid', 'token', 'username'];
    assert.deepEqual(
      Object.keys(opened.value).filter((name) => !known.includes(name)),
      [],
    );
    assert.match(String(opened.value.token), /^[\w-]{43}$/);
    assert.doesNotMatch(JSON.stringify(opened.value), tokenHead);
  });
});

describe('Redis', () => {
  it('holds a session, an account, an on-behalf-of partition and their indexes', async () => {
    const kinds = new Set(
      (await dumpRedis(system)).map(({ key }) => key.slice(system.redisPrefix.length).split(':')[0]),
    );
    for (const kind of ['session', 'account', 'obo', 'sid', 'user'])
      assert.ok(kinds.has(kind), `no ${kind} in ${[...kinds]}`);
  });

  it('holds no key without an end', async () => {
    assert.deepEqual(
      (await dumpRedis(system)).filter(({ ttlMs }) => ttlMs < 0),
      [],
    );
  });

  it('names no key after a person', async () => {
    for (const { key } of await dumpRedis(system)) {
      for (const value of personal) assert.ok(!key.includes(value) && !key.includes(value.replaceAll('-', '')), key);
      // Two are of nobody: whose index key is in use, and the ends under way.
      assert.match(key.slice(system.redisPrefix.length), /^([a-z]+:[{}\w:=-]+|index|endings)$/, key);
    }
  });

  it('holds sealed values only: nobody can read a token or a person in them', async () => {
    const secrets = [...personal, ...secretsOfBrowsers()];
    for (const { key, values } of await dumpRedis(system)) {
      for (const value of values) {
        assert.doesNotMatch(value, tokenHead, `a JWT in ${key}`);
        assert.doesNotMatch(value, /token|account_?id|client_?id|scope|expires/i, `words in ${key}`);
        for (const secret of secrets) assert.ok(!value.includes(secret), `a secret in ${key}`);
      }
    }
  });

  it('forgets a person whose last session has ended', async () => {
    const before = await dumpRedis(system);
    const [alice] = visitors;
    assert.ok(alice);
    await signOut(alice, system);
    const left = (await dumpRedis(system)).map(({ key }) => key.slice(system.redisPrefix.length));
    assert.ok(left.length < before.length);
    assert.deepEqual(
      left.filter((key) => /^(session|account|obo|sid):/.test(key)),
      [],
    );
  });
});
