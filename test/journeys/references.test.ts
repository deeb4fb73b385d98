import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { table } from '../../services/entra-emulator/src/requests/aadsts.ts';
import { linesOf, referenceOn } from '../kit/references.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { signInUrl } from '../outage/people.ts';

let system: System;
before(async () => {
  system = await openSystem({
    frontend: true,
    name: 'references',
    env: { web: { PUBLIC_RATE_BURST: '10000' } },
  });
});
after(() => system?.[Symbol.asyncDispose]());

const alice = () => signInUrl(system, 'alice@contoso.test', '/profile');

describe('the reference on the page of a sign-in that the token endpoint refuses', () => {
  before(() => system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' }));
  after(() => system.admin('PUT', '/interaction', { mode: 'page' }));

  for (const [number, { error }] of Object.entries(table)) {
    it(`finds ${number}, ${error}`, async () => {
      const match = { path: '/token', grant: 'authorization_code' };
      await system.admin('PUT', '/faults', [{ match, then: { aadsts: Number(number) } }]);
      const asked = await system.calls('authorization_code');
      const visitor = system.visitor();
      await visitor.open(alice());
      await system.admin('DELETE', '/faults');
      assert.ok(visitor.page.status >= 400, visitor.words.slice(0, 200));
      const lines = linesOf(system, referenceOn(visitor));
      const broker = lines.filter(({ service }) => service === 'token-broker');
      // While a credential cools down, Entra is not asked.
      if ((await system.calls('authorization_code')) > asked) {
        const reasons = broker.filter(({ aadsts }) => Array.isArray(aadsts) && aadsts.includes(Number(number)));
        assert.ok(reasons.length > 0, JSON.stringify(lines));
        const ids = [...new Set(reasons.map(({ correlation_id }) => String(correlation_id).replaceAll('-', '')))];
        assert.deepEqual(ids, [referenceOn(visitor)]);
        assert.ok(
          broker.some(({ class: entraClass }) => entraClass !== undefined),
          JSON.stringify(broker),
        );
      }
      assert.ok(
        lines.some(({ service, level, event }) => service === 'web-frontend' && /warn|error/.test(`${level}`) && event),
        `nothing loud: ${JSON.stringify(lines)}`,
      );
    });
  }
});

describe('the reference on the page of a sign-in that Entra breaks off', () => {
  for (const [number, { error }] of Object.entries(table)) {
    it(`finds ${number}, ${error}`, async () => {
      const visitor = system.visitor();
      await visitor.open(`${system.web}/sign-in`);
      const state =
        visitor.answers[0] && new URL(String(visitor.answers[0].headers.location)).searchParams.get('state');
      const description = `AADSTS${number}: canary text of Entra. Trace ID: 1 Correlation ID: 2`;
      const query = new URLSearchParams({ state: String(state), error, error_description: description });
      await visitor.open(`${system.web}/auth/callback?${query}`);
      const lines = linesOf(system, referenceOn(visitor));
      const [failed] = lines.filter(({ event }) => event === 'sign_in.failed');
      assert.deepEqual([failed?.aadsts, failed?.refusal], [[Number(number)], error], JSON.stringify(lines));
      assert.ok(!JSON.stringify(lines).includes('canary'));
    });
  }
});

describe('the reference of', () => {
  const pages: [what: string, open: () => Promise<string>][] = [
    ['an attempt that is gone', async () => open('/auth/callback?code=c&state=aaaaaaaaaaaaaaaaaaaaaa.b')],
    ['an address that is not there', async () => open('/nowhere')],
    ['an unknown scope', async () => open('/sign-in?scope=none')],
    ['a link that is no longer good', async () => open('/sign-in?claims=old')],
  ];
  const open = async (path: string) => {
    const visitor = system.visitor();
    await visitor.open(system.web + path);
    return referenceOn(visitor);
  };
  for (const [what, reference] of pages) {
    it(`${what} finds a line`, async () => assert.ok(linesOf(system, await reference()).length > 0));
  }
});
