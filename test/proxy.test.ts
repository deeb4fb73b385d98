import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openForwardProxy } from './forward-proxy.ts';
import { callApi, signIn } from './steps.ts';
import { createWorld } from './world.ts';

describe('behind a forward proxy', () => {
  it('every service reaches Entra ID through HTTPS_PROXY, and nothing else', async () => {
    await using web = await openForwardProxy();
    await using broker = await openForwardProxy();
    await using api = await openForwardProxy();
    const through = ({ url }: { url: string }) => ({ HTTPS_PROXY: url, NO_PROXY: 'other.example.com' });
    await using world = await createWorld({
      name: 'proxy',
      env: { web: through(web), broker: through(broker), api: through(api) },
    });
    const alice = world.visitor();
    await signIn(alice, world, 'alice');
    await callApi(alice, world);
    await callApi(alice, world, 'Microsoft Graph');
    const entra = new URL(world.entra.origin).host;
    for (const [name, { tunnels }] of Object.entries({ web, broker, api })) {
      assert.deepEqual([...new Set(tunnels)], [entra], name);
    }
    broker.refuse();
    await assert.rejects(signIn(world.visitor(), world, 'bob'), 'there is no other way to Entra ID');
  });

  it('a host of NO_PROXY is reached without it', async () => {
    await using proxy = await openForwardProxy();
    const past = { HTTPS_PROXY: proxy.url, NO_PROXY: 'localhost' };
    await using world = await createWorld({ name: 'no-proxy', env: { web: past, broker: past, api: past } });
    const alice = world.visitor();
    await signIn(alice, world, 'alice');
    await callApi(alice, world);
    assert.deepEqual(proxy.tunnels, []);
  });
});
