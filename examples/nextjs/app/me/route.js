// An API with Next.js, a route handler: verify() takes its Request, and gives a Response where it refuses.
import { ProtectedApi } from '@onbehalf/node/api';

const { ENTRA_TENANT_ID, ENTRA_AUDIENCE, ENTRA_AUTHORITY_HOST, GRAPH_BASE_URL } = process.env;
const { BROKER_URL, BROKER_ASSERTION_FILE } = process.env;
let opened;
// Not while Next.js builds: the environment is that of the server.
const openApi = () =>
  new ProtectedApi({
    tenant: ENTRA_TENANT_ID,
    audience: ENTRA_AUDIENCE,
    authorityHost: ENTRA_AUTHORITY_HOST,
    broker: { url: BROKER_URL, assertion: BROKER_ASSERTION_FILE },
  });

export async function GET(request) {
  opened ??= openApi();
  const { user, response } = await opened.verify(request, { scope: 'access_as_user' });
  if (response) return response;
  try {
    const token = await opened.onBehalfOf(user, 'https://graph.microsoft.com/User.Read');
    const graph = GRAPH_BASE_URL ?? 'https://graph.microsoft.com';
    const profile = await fetch(`${graph}/v1.0/me`, { headers: { Authorization: `Bearer ${token}` } });
    return Response.json({ hello: user.name, graph: (await profile.json()).displayName });
  } catch (error) {
    return opened.toResponse(error);
  }
}
