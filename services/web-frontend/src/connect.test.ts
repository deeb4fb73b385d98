import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from './connect.ts';
import { clientId, publicBaseUrl, tenantId } from './testbed.fake.ts';

describe('the way to the broker', () => {
  it('is tried again after its pause, though the wall clock was put back meanwhile', async (context) => {
    const real = Date.now;
    const wall = context.mock.method(Date, 'now', real);
    let asked = 0;
    const { broker } = connect({
      config: {
        publicBaseUrl,
        entra: { authorityHost: 'https://entra.test', tenantId, clientId, responseMode: 'query' },
        broker: { url: 'http://broker.test', assertionFile: 'none' },
      },
      assertion: async () => 'our-assertion',
      fetch: async (url) => {
        asked += String(url).startsWith('http://broker.test') ? 1 : 0;
        throw new TypeError('fetch failed');
      },
    });
    const ask = () => broker.introspect('token', 'a'.repeat(32)).catch(() => undefined);
    for (let call = 0; call < 4; call += 1) await ask();
    assert.equal(asked, 3, 'the breaker is not open');
    wall.mock.mockImplementation(() => real() - 600_000);
    const endMs = performance.now() + 5_000;
    while (asked === 3 && performance.now() < endMs) {
      await delay(50);
      await ask();
    }
    assert.equal(asked, 4);
  });
});
