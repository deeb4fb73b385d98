import { createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as decodeText } from 'node:stream/consumers';
import { serve } from '@onbehalf/chassis/http/serve';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { type Forgery, makeKey, openIssuer } from '@onbehalf/node/core/keys/issuer.fake';
import { remoteAuthority } from '@onbehalf/node/core/keys/signing-keys';
import { grantTypes } from '@onbehalf/node/core/oauth';
import { assemble } from '../assemble.ts';
import { assertionType } from '../clients/callers.ts';
import { parseClients } from '../clients/clients.ts';
import { readConfig } from '../config.ts';
import { fakeEntra } from '../entra/entra.fake.ts';
import { createRedisKeys } from '../store/redis-keys.ts';
import { createSealing } from '../store/sealing.ts';
import { watchedStore } from '../store/store.fake.ts';

export const redirectUri = 'http://localhost:3000/auth/callback';
export const verifier = 'v'.repeat(43);
export const readScope = 'api://api/read';
export const graphScope = 'https://graph/User.Read';
export const appScope = 'https://graph/.default';
export const refreshTokenType = 'urn:ietf:params:oauth:token-type:refresh_token';
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
/** The secret of the client `gateway`; its characters mean something in a form. */
export const gatewaySecret = 'a+b/c%41=: gateway-secret-canary';
/** What the sessions of `web` may begin for `nightly`. */
export const processLifeSeconds = 7 * 86_400;
const toSubject = (name: string) => `system:serviceaccount:onbehalf:${name}`;

export type Fields = Record<string, string | undefined>;
export type Sent = { status: number; headers: IncomingHttpHeaders; body: Record<string, unknown>; text: string };
export type Raw = {
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer | Buffer[];
};

/** The agent of the clients `api` and `agents`, and one of neither. */
export const agentId = 'a6e00000-7e57-4000-8000-000000000091';
export const otherAgentId = 'a6e00000-7e57-4000-8000-0000000000b1';

/** The whole broker over HTTP on port 0, over a store in memory, a fake Entra and a fake cluster. */
export async function openBroker(environment: Record<string, string> = {}) {
  await using opened = new AsyncDisposableStack();
  const issuer = opened.use(await openIssuer());
  const { tenant } = issuer;
  const lines: string[] = [];
  const logger = createLogger({ level: 'debug', service: 'test' }, { write: (line) => void lines.push(line) });
  const { store, watch } = watchedStore();
  const entra = fakeEntra(tenant);
  const client = (name: string, grants: string[], scopes: string[], more: object = {}) => ({
    [name]: {
      tenantId: tenant,
      clientId: randomUUID(),
      subjects: [toSubject(name)],
      credentials: [{ type: 'federated' }],
      grants,
      scopes,
      redirectUris: [redirectUri],
      ...more,
    },
  });
  const { authorization_code, token_exchange, jwt_bearer, client_credentials, refresh_token, user_fic } = grantTypes;
  const web = [authorization_code, token_exchange];
  const processes = { clients: ['nightly'], lifeSeconds: processLifeSeconds };
  const directory = await mkdtemp(join(tmpdir(), 'broker-'));
  opened.defer(() => rm(directory, { recursive: true }));
  const ownKey = makeKey();
  const mount = async (name: string, text: string) => {
    const file = join(directory, name);
    await writeFile(file, text);
    return file;
  };
  const jwks = { keys: [{ ...ownKey.publicKey.export({ format: 'jwk' }), kid: ownKey.kid }] };
  const authentication = [
    { type: 'client_secret', file: await mount('old', 'old-secret-canary') },
    { type: 'client_secret', file: await mount('secret', `${gatewaySecret}\n`) },
    { type: 'private_key_jwt', file: await mount('jwks', JSON.stringify(jwks)) },
  ];
  const clients = parseClients(
    JSON.stringify({
      ...client('web', web, [readScope, 'api://api/write', graphScope], { processes }),
      ...client('nightly', [refresh_token], []),
      ...client('weekly', [refresh_token], []),
      ...client('other-web', web, [readScope, 'Mail.Read']),
      ...client('api', [jwt_bearer, client_credentials], [graphScope, appScope]),
      ...client('agents', [jwt_bearer, client_credentials, user_fic], [graphScope, appScope], { agents: [agentId] }),
      ...client('operator', [client_credentials], [appScope], { permissions: ['operator'] }),
      ...client('gateway', [client_credentials, jwt_bearer], [graphScope, appScope], { subjects: [], authentication }),
      ...client('vault', [client_credentials], [appScope], {
        authentication: [{ type: 'client_secret', file: await mount('other', 'other-secret-canary') }],
      }),
      ...client('twin-a', [client_credentials], [appScope], { subjects: [toSubject('twin')] }),
      ...client('twin-b', [client_credentials], [appScope], { subjects: [toSubject('twin')] }),
    }),
  );
  const config = readConfig({
    BROKER_URL: 'https://broker.test',
    CLIENTS_FILE: 'clients.json',
    CALLERS_ISSUER: issuer.origin,
    CALLERS_JWKS_URI: `${issuer.origin}/keys`,
    SEALING_KEYS_DIR: 'keys',
    REDIS_URL: 'redis://127.0.0.1',
    ...environment,
  });
  const key = createSecretKey(randomBytes(32));
  const redisKeys = createRedisKeys(key, 'ob:v1:');
  const sealing = createSealing(() => ({ current: 'k', keys: new Map([['k', key]]) }));
  const authority = remoteAuthority(issuer.origin, [tenant]);
  // Signed by the stand-in, issued in the name of Entra ID.
  const issuerOf = (tid: string) => `${config.entra.authorityHost}/${tid}/v2.0`;
  const openAuthority = () => ({ keys: authority.keys, issuerOf });
  const { handler, upkeep } = assemble(config, {
    ...{ store, entra: entra.entra, redisKeys, sealing, clients: () => clients, openAuthority, logger },
  });
  const server = opened.use(await serve(handler, { port: 0, host: '127.0.0.1', drainMs: 0 }));

  /** A ServiceAccount token as the cluster makes it, but for what is given. */
  function assertion(name: string, claims: object = {}, forgery?: Forgery): string {
    const ours = { iss: issuer.origin, aud: 'token-broker', sub: toSubject(name) };
    const noUser = { tid: undefined, azp: undefined, ver: undefined, oid: undefined, scp: undefined };
    const named = { name: undefined, preferred_username: undefined };
    return issuer.user({ ...noUser, ...named, ...ours, ...claims }, forgery);
  }
  const caller = (name: string, claims?: object, forgery?: Forgery): Fields => ({
    client_assertion_type: assertionType,
    client_assertion: assertion(name, claims, forgery),
  });

  /** An assertion by which the client `gateway` proves itself, but for what is given. */
  function ownAssertion(claims: object = {}, forgery?: Forgery): string {
    const nobody = { tid: undefined, azp: undefined, ver: undefined, oid: undefined, scp: undefined };
    const named = { name: undefined, preferred_username: undefined };
    const ours = {
      iss: 'gateway',
      sub: 'gateway',
      aud: config.brokerUrl,
      exp: issuer.nowSeconds + 300,
      jti: randomUUID(),
    };
    const key = { key: ownKey.privateKey, ...forgery, header: { kid: ownKey.kid, ...forgery?.header } };
    return issuer.user({ ...nobody, ...named, ...ours, ...claims }, key);
  }
  const ownCaller = (claims?: object, forgery?: Forgery): Fields => ({
    client_assertion_type: assertionType,
    client_assertion: ownAssertion(claims, forgery),
  });
  const basic = (id: string, secret: string) => ({
    Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  });

  function send({ method = 'POST', path, headers = {}, body = '' }: Raw): Promise<Sent> {
    return new Promise((resolve, reject) => {
      const chunks = Array.isArray(body) ? body : [Buffer.from(body)];
      const length = Array.isArray(body) ? undefined : { 'Content-Length': String(chunks[0]?.length) };
      const req = request(
        { host: '127.0.0.1', port: server.port, method, path, headers: { ...length, ...headers }, agent: false },
        async (res) => {
          const text = await decodeText(res);
          const json = res.headers['content-type']?.startsWith('application/json') && text !== '';
          resolve({ status: res.statusCode ?? 0, headers: res.headers, body: json ? JSON.parse(text) : {}, text });
        },
      );
      req.on('error', reject);
      for (const chunk of chunks) req.write(chunk);
      req.end();
    });
  }
  const encode = (fields: Fields) =>
    new URLSearchParams(Object.entries(fields).filter((pair): pair is [string, string] => pair[1] !== undefined));

  const broker = {
    ...{ issuer, tenant, lines, store, watch, entra, clients, redisKeys, config, directory, assertion, caller, send },
    ...{ ownKey, ownCaller, basic, upkeep },
    origin: `http://127.0.0.1:${server.port}`,
    form: (fields: Fields): string => encode(fields).toString(),
    /** Posts a form as a client. */
    post: (path: string, as: string | undefined, fields: Fields = {}, headers: Record<string, string> = {}) =>
      send({
        path,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
        body: encode({ ...(as && caller(as)), ...fields }).toString(),
      }),
    codeGrant: (code: string): Fields => ({
      grant_type: authorization_code,
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
      nonce: 'n',
    }),
    exchangeGrant: (token: string, scope = readScope): Fields => ({
      grant_type: token_exchange,
      subject_token: token,
      subject_token_type: accessTokenType,
      scope,
    }),
    startGrant: (token: string, more: Fields = {}): Fields => ({
      ...{ grant_type: token_exchange, subject_token: token, subject_token_type: accessTokenType },
      ...{ requested_token_type: refreshTokenType, audience: 'nightly', scope: readScope, ...more },
    }),
    processGrant: (token: string, more: Fields = {}): Fields => ({
      ...{ grant_type: refresh_token, refresh_token: token, ...more },
    }),
    oboGrant: (token: string, scope = graphScope): Fields => ({
      grant_type: jwt_bearer,
      assertion: token,
      requested_token_use: 'on_behalf_of',
      scope,
    }),
    userFicGrant: (more: Fields = {}): Fields => ({
      ...{ grant_type: user_fic, agent: agentId, username: 'scout@contoso.test', scope: graphScope, ...more },
    }),
    appGrant: (scope = appScope): Fields => ({ grant_type: client_credentials, scope }),
    /** A user's access token for the client `api`, but for what is given. */
    userToken: (claims: object = {}, forgery?: Forgery): string => {
      const iss = `${config.entra.authorityHost}/${tenant}/v2.0`;
      return issuer.user({ aud: clients.byName.get('api')?.clientId, iss, ...claims }, forgery);
    },
    /** Signs in; gives the session token. */
    async signIn(person: string = randomUUID(), as = 'web'): Promise<string> {
      const code = randomUUID();
      entra.codes.set(code, person);
      const { status, body } = await broker.post('/oauth2/token', as, broker.codeGrant(code));
      if (status !== 200) throw new Error(`the sign-in failed: ${status} ${body.error}`);
      return String(body.access_token);
    },
  };
  const disposal = opened.move();
  return { ...broker, [Symbol.asyncDispose]: () => disposal.disposeAsync() };
}

export type FakeBroker = Awaited<ReturnType<typeof openBroker>>;
