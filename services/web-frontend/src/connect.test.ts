import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { connect } from '@onbehalf/node/web/connect';
import { clientId, tenantId } from './testbed.fake.ts';

const config = {
  entra: { authorityHost: 'https://entra.test', tenantId, clientId, responseMode: 'query' as const },
  broker: { url: 'http://broker.test', assertionFile: 'none' },
};
const assertion = async () => 'our-assertion';

describe('the way to the broker', () => {
  it('is tried again after its pause, though the wall clock was put back meanwhile', async (context) => {
    const real = Date.now;
    const wall = context.mock.method(Date, 'now', real);
    let asked = 0;
    const { broker } = connect({
      ...{ config, assertion, logger: createLogger({ level: 'silent', service: 'test' }) },
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

/** Entra's metadata behind a network that breaks the first `broken` connections. */
function openEntra(broken: number) {
  const lines: { event: string; dependency: string; error: unknown }[] = [];
  const at = { asked: 0 };
  const fetch = async () => {
    at.asked += 1;
    if (at.asked <= broken) throw new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } });
    const issuer = `${config.entra.authorityHost}/${tenantId}/v2.0`;
    return Response.json({ issuer, authorization_endpoint: `${issuer}/authorize` });
  };
  const logger = createLogger({ level: 'info', service: 'test' }, { write: (line) => lines.push(JSON.parse(line)) });
  const { entra } = connect({ config, assertion, logger, fetch, nowMs: () => 0 });
  return { at, lines, entra };
}

describe("the first look at Entra's metadata", () => {
  it('outlives a connection that breaks', async () => {
    const { at, lines, entra } = openEntra(1);
    await entra.configured.get();
    assert.deepEqual([at.asked, lines], [2, []]);
  });

  it('is logged when it fails, with the reason', async () => {
    const { at, lines, entra } = openEntra(2);
    await assert.rejects(entra.configured.get(), { code: 'unavailable', retryAfterSeconds: 5 });
    assert.equal(at.asked, 2);
    assert.deepEqual(
      lines.map(({ event, dependency }) => [event, dependency]),
      [['dependency.down', 'entra']],
    );
    assert.match(JSON.stringify(lines[0]?.error), /TypeError/);
  });
});
