// @ts-check
import { leaseWait, waiting } from './spans.js';

/** The requests to our services that have a name of their own; any other request keeps its route. */
export const requests = new Map([
  ['web-frontend GET /sign-in', 'sign in'],
  ['web-frontend GET /auth/callback', 'return from Entra ID'],
  ['web-frontend POST /auth/callback', 'return from Entra ID'],
  ['web-frontend GET /auth/front-channel-logout', 'Entra ID says: signed out'],
  ['web-frontend POST /sign-out', 'sign out'],
  ['web-frontend GET /', 'open the start page'],
  ['web-frontend GET /session', 'who is signed in?'],
  ['token-broker POST /oauth2/introspect', 'is the session alive?'],
  ['token-broker POST /oauth2/revoke', 'end the session'],
  ['token-broker POST /sessions/end', 'end sessions'],
  ['sidecar GET /Validate', 'whose token is this?'],
  ['sidecar GET /AuthorizationHeader/:api', 'header for an API'],
  ['sidecar GET /AuthorizationHeaderUnauthenticated/:api', 'header for an API'],
  ['sidecar POST /DownstreamApi/:api', 'call an API'],
  ['sidecar POST /DownstreamApiUnauthenticated/:api', 'call an API'],
]);

/** The token requests by grant: at the broker, and of the broker at Entra ID. */
export const grants = new Map([
  ['authorization_code', 'redeem code'],
  ['token_exchange', 'token'],
  ['jwt_bearer', 'on-behalf-of token'],
  ['on_behalf_of', 'on-behalf-of token'],
  ['client_credentials', 'app token'],
  ['refresh_token', 'refresh token'],
  ['user_fic', 'token as the agent’s user'],
]);

/** RFC 9728, what an MCP client reads first. */
export const resourceMetadata = /^\/\.well-known\/oauth-protected-resource/;

/** What else than its own request a span fetches. */
export const reads = new Map([
  ['token.idp.request', 'read metadata'],
  ['auth.code.redeem', 'fetch signing keys'],
]);

/** Why a person is sent to Entra ID. */
export const flowKinds = new Map([
  ['consent', 'ask for consent'],
  ['step_up', 'step up'],
]);

/** Spans within a service. */
export const works = new Map([
  [waiting, 'the person is at Entra ID'],
  [leaseWait, 'wait for the token of another request'],
  ['token.refresh', 'refresh in the background'],
  ['token.validate', 'check token'],
  ['auth.code.redeem', 'redeem code'],
]);

export const sources = new Map([
  ['memory', 'from memory'],
  ['redis', 'from Redis'],
  ['entra', 'from Entra ID'],
]);

/** What a script does. */
export const scripts = new Map([
  ['open-session', 'write account'],
  ['close-sessions', 'close sessions'],
  ['write-token', 'write token'],
  ['take-lease', 'take lease'],
]);

/** What a command does to a kind of key. The commands that are not here are detail. */
export const commands = new Map([
  ['GET session', 'read session'],
  ['SET session', 'write session'],
  ['EVALSHA session', 'write session'],
  ['DEL session', 'delete session'],
  ['HGET account', 'read token'],
  ['HGET obo', 'read token'],
  ['HGET app', 'read token'],
  ['HGET agent', 'read token'],
  ['HMGET account', 'read account'],
  ['HMGET obo', 'read tokens'],
  ['HMGET app', 'read tokens'],
  ['HMGET agent', 'read tokens'],
  ['SET code', 'spend code'],
  ['SET throttle', 'note refusal'],
  ['SET ended', 'write tombstone'],
  ['PUBLISH', 'tell all pods'],
]);
