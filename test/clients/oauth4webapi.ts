import { readFileSync } from 'node:fs';
import * as oauth from 'oauth4webapi';
import manifest from 'oauth4webapi/package.json' with { type: 'json' };
import type { Seen, Told } from './client.ts';

const [api, app] = ['api://onbehalf-api/access_as_user', 'api://onbehalf-api/.default'];
const graph = 'https://graph.microsoft.com/User.Read';
const callback = 'http://localhost:3000/auth/callback';
const insecure = { [oauth.allowInsecureRequests]: true };

/** The broker's client by oauth4webapi, in this process: what it knows of the broker is its metadata (RFC 8414). */
export async function oauth4webapi(env: Record<string, string>): Promise<Told> {
  const { BROKER = '', WEB = '', API = '', JOB = '' } = env;
  const issuer = new URL(BROKER);
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
  const as = await oauth.processDiscoveryResponse(issuer, answer);
  // The ID token is Entra ID's own.
  const server = { ...as, issuer: `${env.ORIGIN}/${env.TENANT}/v2.0` };
  const proof =
    (name: string): oauth.ClientAuth =>
    (_as, _client, body) => {
      body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
      body.set('client_assertion', readFileSync(env[`${name}_ASSERTION_FILE`] ?? '', 'utf8'));
    };
  const web = { client_id: WEB };
  const ask = async (name: string, client_id: string, grant: string, parameters: Record<string, string>) => {
    const client = { client_id };
    const got = await oauth.genericTokenEndpointRequest(as, client, proof(name), grant, parameters, insecure);
    return await oauth.processGenericTokenEndpointResponse(as, client, got);
  };

  const signIn = async () => {
    const verifier = oauth.generateRandomCodeVerifier();
    const url = new URL(as.authorization_endpoint ?? '');
    url.search = new URLSearchParams({
      ...{ client_id: WEB, response_type: 'code', redirect_uri: callback, scope: `openid offline_access ${api}` },
      ...{ nonce: 'n', state: 's', code_challenge_method: 'S256' },
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    }).toString();
    const landing = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(10_000) });
    const callbackUrl = new URL(landing.headers.get('location') ?? '');
    const parameters = oauth.validateAuthResponse(as, web, callbackUrl, 's');
    const form = [parameters, callback, verifier, insecure] as const;
    const got = await oauth.authorizationCodeGrantRequest(as, web, proof('WEB'), ...form);
    return await oauth.processAuthorizationCodeResponse(server, web, got, { expectedNonce: 'n' });
  };
  const exchange = async () => {
    const { access_token: subject_token } = await signIn();
    const subject_token_type = 'urn:ietf:params:oauth:token-type:access_token';
    const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
    return await ask('WEB', WEB, grant, { subject_token, subject_token_type, scope: api });
  };
  const isActive = async (token: string) => {
    const got = await oauth.introspectionRequest(as, web, proof('WEB'), token, insecure);
    return (await oauth.processIntrospectionResponse(as, web, got)).active;
  };

  const flows: Record<string, () => Promise<Seen>> = {
    'signs a person in with PKCE and a nonce it checks itself': signIn,
    "exchanges the session for an API's token": exchange,
    'acts on behalf of the person': async () => {
      const { access_token: assertion } = await exchange();
      const parameters = { assertion, requested_token_use: 'on_behalf_of', scope: graph };
      return await ask('API', API, 'urn:ietf:params:oauth:grant-type:jwt-bearer', parameters);
    },
    'gets an app token': () => ask('JOB', JOB, 'client_credentials', { scope: app }),
    'introspects and revokes the session': async () => {
      const { access_token } = await signIn();
      const before = await isActive(access_token);
      const got = await oauth.revocationRequest(as, web, proof('WEB'), access_token, insecure);
      await oauth.processRevocationResponse(got);
      return { before, after: await isActive(access_token) };
    },
  };
  const seen: Record<string, Seen> = {};
  for (const [name, flow] of Object.entries(flows)) {
    seen[name] = await flow().catch((error: unknown) => ({ raised: String(error) }));
  }
  return { version: manifest.version, flows: seen };
}
