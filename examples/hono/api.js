// An API with Hono: verify() takes Fetch's Request, which Hono keeps as `req.raw`, and gives a Response where it refuses.
import { serve } from '@hono/node-server';
import { ProtectedApi } from '@onbehalf/node/api';
import { Hono } from 'hono';

const { PORT, ENTRA_TENANT_ID, ENTRA_AUDIENCE, ENTRA_AUTHORITY_HOST, GRAPH_BASE_URL } = process.env;
const { BROKER_URL, BROKER_ASSERTION_FILE } = process.env;
const api = new ProtectedApi({
  tenant: ENTRA_TENANT_ID,
  audience: ENTRA_AUDIENCE,
  authorityHost: ENTRA_AUTHORITY_HOST,
  broker: { url: BROKER_URL, assertion: BROKER_ASSERTION_FILE },
});

const app = new Hono();
app.use(async (c, next) => {
  const { user, response } = await api.verify(c.req.raw, { scope: 'access_as_user' });
  if (response) return response;
  c.set('user', user);
  await next();
});
app.onError((error) => api.toResponse(error));
app.get('/me', async (c) => {
  const user = c.get('user');
  const token = await api.onBehalfOf(user, 'https://graph.microsoft.com/User.Read');
  const graph = GRAPH_BASE_URL ?? 'https://graph.microsoft.com';
  const profile = await fetch(`${graph}/v1.0/me`, { headers: { Authorization: `Bearer ${token}` } });
  return c.json({ hello: user.name, graph: (await profile.json()).displayName });
});
serve({ fetch: app.fetch, port: Number(PORT) });
