import { once } from 'node:events';
import { request } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { openTls } from '../../services/entra-emulator/src/tokens/tls.ts';
import { answers, startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { openLanguage } from './languages.ts';

/** navikt/mock-oauth2-server, which knows nothing of Entra ID: its keys and endpoints have other paths. */
export const providerVersion = '6.0.2';
const program = 'no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt';

/** Claims of the tokens that one grant gives. */
export type Mapping = { grant: string; claims: Record<string, unknown> };

/** Runs it for one issuer, `<tenant>/v2.0`, behind https, since MSAL asks at nothing else. Gives its origin. */
export async function openForeignProvider(
  opened: AsyncDisposableStack,
  { stateDir, tenantId, mappings }: { stateDir: string; tenantId: string; mappings: Mapping[] },
): Promise<string> {
  const port = await freePort();
  const tokenCallbacks = [
    {
      issuerId: `${tenantId}/v2.0`,
      tokenExpiry: 3_600,
      requestMappings: mappings.map(({ grant, claims }) => {
        return { requestParam: 'grant_type', match: grant, typeHeader: 'JWT', claims };
      }),
    },
  ];
  const { command, args } = openLanguage('java')(program);
  const child = await startChild({
    ...{ name: 'mock-oauth2-server', command, args, logFile: 'out/foreign-provider/mock-oauth2-server.log' },
    env: {
      PATH: process.env.PATH ?? '',
      SERVER_PORT: String(port),
      JSON_CONFIG: JSON.stringify({ interactiveLogin: false, tokenCallbacks }),
    },
    ready: () => answers(`http://127.0.0.1:${port}/isalive`),
    withinMs: 60_000,
  });
  opened.use(child);
  const tls = await openTls(['localhost'], stateDir);
  // The browser is in this process.
  setDefaultCACertificates([...getCACertificates(), tls.ca]);
  const server = createServer({ cert: tls.cert, key: tls.key }, (req, res) => {
    const headers = { ...req.headers, 'x-forwarded-proto': 'https' };
    const passed = request({ port, host: '127.0.0.1', path: req.url, method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    passed.on('error', () => res.destroy());
    req.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}
