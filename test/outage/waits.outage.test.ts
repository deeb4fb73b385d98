import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { callApi, signIn } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import type { Visitor } from '../kit/visitor.ts';

let system: System;
let alice: Visitor;
before(async () => {
  system = await openSystem({ frontend: true, name: 'outage-waits' });
  alice = system.visitor();
  await signIn(alice, system, 'alice');
  await callApi(alice, system, 'Microsoft Graph');
});
after(() => system?.[Symbol.asyncDispose]());

const withinMs = 10_000;

/** Which program is frozen (SIGSTOP), and the pages that meet it: their status and what they say. */
const frozen: [program: string, pages: [path: string, status: number, says: RegExp][]][] = [
  [
    'token-broker',
    [
      ['/', 503, /Sign-in service is unavailable/],
      ['/profile', 503, /Sign-in service is unavailable/],
      ['/whoami', 503, /Sign-in service is unavailable/],
      ['/graph/me', 503, /Sign-in service is unavailable/],
    ],
  ],
  ['downstream-api', [['/graph/me', 503, /The service behind this page cannot be reached/]]],
  [
    'entra-emulator',
    [
      ['/whoami', 200, /The API responded with status 200/],
      // Graph is the emulator's: the API says by itself that it waits for nothing.
      ['/graph/me', 200, /The API refused with status 503/],
    ],
  ],
];

describe('within ten seconds a person has a page that says what is, where a program is frozen', () => {
  for (const [name, pages] of frozen) {
    it(`${name}, and the next page after it is whole`, async () => {
      const program = system.program(name).process;
      assert.ok(program.kill('SIGSTOP'));
      try {
        for (const [path, status, says] of pages) {
          const startedAtMs = performance.now();
          const page = await alice.open(`${system.web}${path}`);
          const ms = Math.round(performance.now() - startedAtMs);
          assert.ok(ms < withinMs, `${path} took ${ms} ms`);
          assert.deepEqual([path, page.status], [path, status]);
          assert.match(alice.words, says);
          if (status === 503) assert.match(alice.words, /Nothing is lost.*Try again in \d+ seconds?\./);
          assert.match(alice.words, /Profile/);
        }
      } finally {
        program.kill('SIGCONT');
      }
      const endMs = performance.now() + withinMs;
      for (;;) {
        await alice.open(`${system.web}/graph/me`);
        if (/alice@contoso\.test/.test(alice.words)) break;
        assert.ok(performance.now() < endMs, alice.words);
      }
    });
  }
});
