// An MCP server on Entra ID: three tools, one of which calls Microsoft Graph on behalf of the user. Stateless: any
// number of replicas may stand behind one address, and the broker makes one call to Entra ID for all of them.
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { bearer, handleFaults, onBehalfOf, requireScope } from '@onbehalf/node/api';
import express from 'express';
import { z } from 'zod';

const {
  PORT = '4000',
  // The URL of this server is its Application ID URI, to the letter: Entra ID compares them.
  MCP_RESOURCE = `http://localhost:${PORT}/mcp`,
  ENTRA_TENANT_ID,
  ENTRA_AUDIENCE,
  ENTRA_AUTHORITY_HOST = 'https://login.microsoftonline.com',
  BROKER_URL,
  BROKER_ASSERTION_FILE,
  GRAPH_BASE_URL = 'https://graph.microsoft.com',
} = process.env;

/** One server a request: the tools know whose request it is. */
function createServer(req) {
  const server = new McpServer({ name: 'onbehalf-example', version: '0.1.0' });
  const text = (value) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
  server.registerTool('whoami', { description: 'Who you are, by your token' }, () =>
    text({ name: req.user.name, username: req.user.preferred_username }),
  );
  server.registerTool(
    'add',
    { description: 'Adds two numbers', inputSchema: { a: z.number(), b: z.number() } },
    ({ a, b }) => text(a + b),
  );
  server.registerTool('my_profile', { description: 'Your profile at Microsoft Graph' }, async () => {
    const headers = { authorization: `Bearer ${req.graphToken}` };
    const response = await fetch(`${GRAPH_BASE_URL}/v1.0/me`, { headers, signal: AbortSignal.timeout(10_000) });
    return text(await response.json());
  });
  return server;
}

/** A tool that needs Graph gets its token here: what the person must do first is a challenge of HTTP, which clients act on. */
async function acquireGraphToken(req, _res, next) {
  // The SDK takes several messages in one request, too.
  const calls = [req.body].flat().filter((message) => message?.method === 'tools/call');
  if (calls.some(({ params }) => params?.name === 'my_profile'))
    req.graphToken = await onBehalfOf(req, 'https://graph.microsoft.com/User.Read');
  next();
}

const app = express();
app.use(
  bearer({
    tenant: ENTRA_TENANT_ID,
    audience: ENTRA_AUDIENCE,
    authorityHost: ENTRA_AUTHORITY_HOST,
    resource: MCP_RESOURCE,
    scopes: [`${MCP_RESOURCE}/access_as_user`],
    broker: { url: BROKER_URL, assertion: BROKER_ASSERTION_FILE },
  }),
);
app.post('/mcp', requireScope('access_as_user'), express.json(), acquireGraphToken, async (req, res) => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
  const server = createServer(req);
  res.on('close', () => server.close());
  await server.connect(transport);
  await transport.handleRequest(req, res, req.body);
});
app.use(handleFaults);
const listener = app.listen(Number(PORT), () => console.log(`http://localhost:${listener.address().port}/mcp`));
