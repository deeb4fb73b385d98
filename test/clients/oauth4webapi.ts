import { readFileSync } from 'node:fs';
import * as oauth from 'oauth4webapi';
import manifest from 'oauth4webapi/package.json' with { type: 'json' };
import type { Seen, Told } from './client.ts';

const [api, app] = ['api://onbehalf-api/access_as_user', 'api://onbehalf-api/.default'];
const graph = 'https://graph.microsoft.com/User.Read';
const callback = 'http://localhost:3000/auth/callback';
const insecure = { [oauth.allowInsecureRequests]: true };

type Issued = oauth.TokenEndpointResponse;

/** A client of the broker by oauth4webapi, which knows the broker by its metadata alone (RFC 8414). */
class BrokerClient {
  readonly #env: Record<string, string>;
  readonly #as: oauth.AuthorizationServer;
  readonly #web: oauth.Client;

  constructor(env: Record<string, string>, as: oauth.AuthorizationServer) {
    this.#env = env;
    this.#as = as;
    this.#web = { client_id: env.WEB ?? '' };
  }

  async signIn(): Promise<Issued> {
    const verifier = oauth.generateRandomCodeVerifier();
    const url = new URL(this.#as.authorization_endpoint ?? '');
    url.search = new URLSearchParams({
      ...{ client_id: this.#web.client_id, response_type: 'code', redirect_uri: callback },
      ...{ scope: `openid offline_access ${api}`, nonce: 'n', state: 's', code_challenge_method: 'S256' },
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    }).toString();
    const landing = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(10_000) });
    const callbackUrl = new URL(landing.headers.get('location') ?? '');
    const parameters = oauth.validateAuthResponse(this.#as, this.#web, callbackUrl, 's');
    const form = [parameters, callback, verifier, insecure] as const;
    const response = await oauth.authorizationCodeGrantRequest(this.#as, this.#web, this.#proof('WEB'), ...form);
    // The ID token is Entra ID's own.
    const entra = { ...this.#as, issuer: `${this.#env.ORIGIN}/${this.#env.TENANT}/v2.0` };
    return await oauth.processAuthorizationCodeResponse(entra, this.#web, response, { expectedNonce: 'n' });
  }

  async exchange(): Promise<Issued> {
    const { access_token: subject_token } = await this.signIn();
    const subject_token_type = 'urn:ietf:params:oauth:token-type:access_token';
    const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
    return await this.#ask('WEB', grant, { subject_token, subject_token_type, scope: api });
  }

  async onBehalfOf(): Promise<Issued> {
    const { access_token: assertion } = await this.exchange();
    const parameters = { assertion, requested_token_use: 'on_behalf_of', scope: graph };
    return await this.#ask('API', 'urn:ietf:params:oauth:grant-type:jwt-bearer', parameters);
  }

  appToken(): Promise<Issued> {
    return this.#ask('JOB', 'client_credentials', { scope: app });
  }

  async revoke(): Promise<Seen> {
    const { access_token } = await this.signIn();
    const before = await this.#isActive(access_token);
    const response = await oauth.revocationRequest(this.#as, this.#web, this.#proof('WEB'), access_token, insecure);
    await oauth.processRevocationResponse(response);
    return { before, after: await this.#isActive(access_token) };
  }

  async #isActive(token: string): Promise<boolean> {
    const response = await oauth.introspectionRequest(this.#as, this.#web, this.#proof('WEB'), token, insecure);
    return (await oauth.processIntrospectionResponse(this.#as, this.#web, response)).active;
  }

  async #ask(name: string, grant: string, parameters: Record<string, string>): Promise<Issued> {
    const client = { client_id: this.#env[name] ?? '' };
    const proof = this.#proof(name);
    const response = await oauth.genericTokenEndpointRequest(this.#as, client, proof, grant, parameters, insecure);
    return await oauth.processGenericTokenEndpointResponse(this.#as, client, response);
  }

  #proof(name: string): oauth.ClientAuth {
    return (_as, _client, body) => {
      body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
      body.set('client_assertion', readFileSync(this.#env[`${name}_ASSERTION_FILE`] ?? '', 'utf8'));
    };
  }
}

/** The broker's client by oauth4webapi, in this process. */
export async function oauth4webapi(env: Record<string, string>): Promise<Told> {
  const issuer = new URL(env.BROKER ?? '');
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
  const client = new BrokerClient(env, await oauth.processDiscoveryResponse(issuer, response));
  const flows: Record<string, () => Promise<Seen>> = {
    'signs a person in with PKCE and a nonce it checks itself': () => client.signIn(),
    "exchanges the session for an API's token": () => client.exchange(),
    'acts on behalf of the person': () => client.onBehalfOf(),
    'gets an app token': () => client.appToken(),
    'introspects and revokes the session': () => client.revoke(),
  };
  const seen: Record<string, Seen> = {};
  for (const [name, flow] of Object.entries(flows)) {
    seen[name] = await flow().catch((error: unknown) => ({ raised: String(error) }));
  }
  return { version: manifest.version, flows: seen };
}
