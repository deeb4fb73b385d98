// Microsoft's agents SDK at the sidecar, as it is: it knows a URL on localhost and the name of an API.
import { SidecarAuthProvider } from '@microsoft/agents-hosting';
import { tell } from './walk.mjs';

const { SIDECAR, SIDECAR_AWAY, SIDECAR_OF_AGENTS, TENANT, AGENT, OTHER_AGENT } = process.env;

const provider = (sidecarBaseUrl, more = {}) =>
  new SidecarAuthProvider({ serviceName: 'Job', sidecarBaseUrl, retryCount: 0, tenantId: TENANT, ...more });
const messageOf = (promise) =>
  promise.then(
    () => 'no error',
    (error) => error.message,
  );

await tell('@microsoft/agents-hosting', {
  async 'gets an app token by the name of an API, and again the same'() {
    const access_token = await provider(SIDECAR).getAccessToken('ignored/.default');
    const again = await provider(SIDECAR).getAccessToken('ignored/.default');
    return { access_token, same: access_token === again, healthy: await provider(SIDECAR).isHealthy() };
  },
  async 'is told that the broker is away as an outage, not as a refusal'() {
    const auth = provider(SIDECAR_AWAY);
    return { error: await messageOf(auth.getAccessToken('ignored/.default')), healthy: await auth.isHealthy() };
  },
  async 'acts as an agent itself'() {
    return { access_token: await provider(SIDECAR_OF_AGENTS).getAgenticInstanceToken(TENANT, AGENT) };
  },
  async 'acts as the user of an agent'() {
    const auth = provider(SIDECAR_OF_AGENTS, { serviceName: 'Graph' });
    return { access_token: await auth.getAgenticUserToken(TENANT, AGENT, 'scout@contoso.test', ['ignored']) };
  },
  async 'gets nothing as an agent that its client may not be'() {
    return { error: await messageOf(provider(SIDECAR_OF_AGENTS).getAgenticInstanceToken(TENANT, OTHER_AGENT)) };
  },
  async 'is told by the title of a problem that an API is not configured'() {
    return { error: await messageOf(provider(SIDECAR, { serviceName: 'None' }).getAccessToken('x')) };
  },
});
