import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { tellFigures, Watch } from './figures.ts';

/** A broker's page: calls to Entra ID, tokens from memory, ended sessions. */
const page = (entra: number, memory: number, ended: number) => `# HELP onbehalf_entra_request_duration_seconds x
onbehalf_entra_request_duration_seconds_count{onbehalf_grant="refresh_token",onbehalf_entra_class="ok"} ${entra}
onbehalf_token_acquire_duration_seconds_count{onbehalf_grant="exchange",onbehalf_token_source="memory"} ${memory}
onbehalf_token_acquire_duration_seconds_count{onbehalf_grant="exchange",onbehalf_token_source="entra"} ${entra}
onbehalf_session_ended_total{onbehalf_session_reason="sign_out"} ${ended}
`;

describe('the figures beside an outage', () => {
  it('are what the brokers counted since it began, also of one that was killed or came later', async () => {
    const pages = new Map([
      ['/a/metrics', page(10, 100, 3)],
      ['/b/metrics', page(5, 50, 0)],
    ]);
    const server = createServer((req, res) => void res.end(pages.get(req.url ?? ''))).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const brokers = [{ admin: `${url}/a` }];
    try {
      const watch = new Watch({ brokers }, 10_000);
      assert.equal(
        tellFigures(await watch.read()),
        'Tokens: 0 from memory, 0 from Redis, 0 from Entra ID by 0 calls · sessions ended: 0',
      );
      pages.set('/a/metrics', page(11, 130, 3));
      brokers.push({ admin: `${url}/b` });
      assert.deepEqual(await watch.read(), { entra: 6, tokens: { memory: 80, redis: 0, entra: 6 }, ended: 0 });
      assert.match(tellFigures({ ...(await watch.read()), entra: 1 }), /by 1 call ·/);
      // Killed: it counts from 0 again.
      pages.set('/a/metrics', page(0, 2, 1));
      brokers.push({ admin: 'http://127.0.0.1:1' });
      assert.deepEqual(await watch.read(), { entra: 6, tokens: { memory: 82, redis: 0, entra: 6 }, ended: 1 });
    } finally {
      server.close();
    }
  });
});
