// An API with Fastify: verify() takes the request of node:http that Fastify keeps as `raw`.
import { ProtectedApi } from '@onbehalf/node/api';
import Fastify from 'fastify';

const { PORT, ENTRA_TENANT_ID, ENTRA_AUDIENCE, ENTRA_AUTHORITY_HOST, GRAPH_BASE_URL } = process.env;
const { BROKER_URL, BROKER_ASSERTION_FILE } = process.env;
const api = new ProtectedApi({
  tenant: ENTRA_TENANT_ID,
  audience: ENTRA_AUDIENCE,
  authorityHost: ENTRA_AUTHORITY_HOST,
  broker: { url: BROKER_URL, assertion: BROKER_ASSERTION_FILE },
});

const app = Fastify();
app.decorateRequest('user', null);
app.addHook('onRequest', async (request, reply) => {
  const { user, response } = await api.verify(request.raw, { scope: 'access_as_user' });
  if (response) return reply.send(response);
  request.user = user;
});
app.setErrorHandler((error, _request, reply) => reply.send(api.toResponse(error)));
app.get('/me', async ({ user }) => {
  const token = await api.onBehalfOf(user, 'https://graph.microsoft.com/User.Read');
  const graph = GRAPH_BASE_URL ?? 'https://graph.microsoft.com';
  const profile = await fetch(`${graph}/v1.0/me`, { headers: { Authorization: `Bearer ${token}` } });
  return { hello: user.name, graph: (await profile.json()).displayName };
});
await app.listen({ port: Number(PORT) });
