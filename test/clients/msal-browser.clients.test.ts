import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before } from 'node:test';
import manifest from '@azure/msal-browser/package.json' with { type: 'json' };
import { createEmulator, type Emulator } from '../../services/entra-emulator/src/emulator.ts';
import { readClaims } from '../../services/entra-emulator/src/rig.fake.ts';
import { launchChromium } from '../kit/browser/chromium.ts';
import { clientTests, type Seen } from './client.ts';
import { change } from './emulator.ts';

const apiScope = 'api://onbehalf-api/access_as_user';
const library = 'node_modules/@azure/msal-browser/lib';
const scripts: Record<string, string> = {
  '/msal.js': `${library}/msal-browser.min.js`,
  '/bridge.js': `${library}/redirect-bridge/msal-redirect-bridge.min.js`,
};

let emulator: Emulator;
before(async () => {
  emulator = await createEmulator();
  await change(emulator, '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
});
after(() => emulator?.close());

/** The single-page application: signs in by redirect, refreshes, and gets a code in a hidden frame. */
const page = ({
  origin,
  ids,
}: Emulator) => `<!doctype html><title>a page</title><script src="/msal.js"></script><script>
  (async () => {
    const auth = { clientId: '${ids.apps.spa}', authority: '${origin}/${ids.tenants.contoso}',
      knownAuthorities: ['${new URL(origin).host}'], redirectUri: location.origin + '/' };
    const app = await msal.createStandardPublicClientApplication({ auth });
    const answer = await app.handleRedirectPromise();
    if (!answer) return app.loginRedirect({ scopes: ['${apiScope}'] });
    const ask = (work) => work.then(({ accessToken: access_token }) => ({ access_token }), (e) => ({ raised: String(e) }));
    const silent = { account: answer.account, scopes: ['${apiScope}'] };
    window.seen = [
      { access_token: answer.accessToken },
      { before: answer.accessToken, ...(await ask(app.acquireTokenSilent({ ...silent, forceRefresh: true }))) },
      await ask(app.ssoSilent({ ...silent, redirectUri: location.origin + '/redirect' })),
    ];
  })().catch((error) => { window.seen = [{ raised: String(error) }]; });
</script>`;
const bridge = `<!doctype html><title>back</title><script src="/bridge.js"></script><script>
  msalRedirectBridge.broadcastResponseToMainFrame();
</script>`;

async function servePages() {
  const server = createServer(async (req, res) => {
    const [path = '/'] = (req.url ?? '/').split('?');
    const script = scripts[path];
    res.setHeader('Content-Type', script ? 'text/javascript' : 'text/html');
    res.end(script ? await readFile(script) : path === '/redirect' ? bridge : page(emulator));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const flows = ['signs a person in by redirect with PKCE', 'refreshes across origins', 'signs in in a hidden frame'];
const run = async () => {
  await using pages = await servePages();
  await using browser = await launchChromium();
  // The emulator's CA is not the browser's.
  const tab = await browser.newPage({ ignoreHTTPSErrors: true });
  await tab.goto(`${pages.origin}/`);
  await tab.waitForFunction('window.seen !== undefined', undefined, { timeout: 30_000 });
  const seen = await tab.evaluate<Seen[]>('window.seen');
  return { version: manifest.version, flows: Object.fromEntries(seen.map((one, i) => [flows[i] ?? '', one])) };
};

const userToken = (seen: Seen) => {
  const { aud, azp, azpacr, oid } = readClaims(String(seen.access_token));
  const { apps, users } = emulator.ids;
  assert.deepEqual([aud, azp, azpacr, oid], [apps.api, apps.spa, '0', users.alice]);
  assert.notEqual(seen.access_token, seen.before);
};
clientTests(
  { client: 'MSAL Browser', at: 'emulator', run },
  Object.fromEntries(flows.map((flow) => [flow, userToken])),
);
