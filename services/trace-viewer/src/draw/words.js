// @ts-check
import { findClusterKeys, leaseWait, toTree, waiting } from './spans.js';
import { formatMs } from './svg.js';

/** @typedef {import('../span.ts').Span} Span */

/** The requests to our services that have a name of their own; any other request keeps its route. */
const requests = new Map([
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
]);

/** The token requests by grant: at the broker, and of the broker at Entra ID. */
const grants = new Map([
  ['authorization_code', 'redeem code'],
  ['token_exchange', 'token'],
  ['jwt_bearer', 'on-behalf-of token'],
  ['on_behalf_of', 'on-behalf-of token'],
  ['client_credentials', 'app token'],
  ['refresh_token', 'refresh token'],
]);

/** What else than its own request a span fetches. */
const reads = new Map([
  ['token.idp.request', 'read metadata'],
  ['auth.code.redeem', 'fetch signing keys'],
]);

/** Why a person is sent to Entra ID. */
const flowKinds = new Map([
  ['consent', 'ask for consent'],
  ['step_up', 'step up'],
]);

/** Spans within a service. */
const works = new Map([
  [waiting, 'the person is at Entra ID'],
  [leaseWait, 'wait for the token of another request'],
  ['token.refresh', 'refresh in the background'],
  ['token.validate', 'check token'],
  ['auth.code.redeem', 'redeem code'],
]);

const sources = new Map([
  ['memory', 'from memory'],
  ['redis', 'from Redis'],
  ['entra', 'from Entra ID'],
]);

/** What a script does. */
const scripts = new Map([
  ['open-session', 'write account'],
  ['close-sessions', 'close sessions'],
  ['write-token', 'write token'],
  ['take-lease', 'take lease'],
]);

/** What a command does to a kind of key. The commands that are not here are detail. */
const commands = new Map([
  ['GET session', 'read session'],
  ['SET session', 'write session'],
  ['EVALSHA session', 'write session'],
  ['DEL session', 'delete session'],
  ['HGET account', 'read token'],
  ['HGET obo', 'read token'],
  ['HGET app', 'read token'],
  ['HMGET account', 'read account'],
  ['HMGET obo', 'read tokens'],
  ['HMGET app', 'read tokens'],
  ['SET code', 'spend code'],
  ['SET throttle', 'note refusal'],
  ['SET ended', 'write tombstone'],
  ['PUBLISH', 'tell all pods'],
]);

/** @param {Span} span */
const isRedis = ({ attributes }) => (attributes['db.system.name'] ?? attributes['db.system']) === 'redis';

/** What a command to Redis is for; undefined for bookkeeping. @param {Span} span */
function redisWords({ name, attributes }) {
  const script = String(attributes['db.stored_procedure.name'] ?? '');
  const kind = String(attributes['db.collection.name'] ?? '');
  const command = attributes['db.operation.name'] ?? name;
  return scripts.get(script) ?? commands.get(`${command} ${kind}`.trim());
}

/** A command to Redis that says nothing of the business: shown on demand. @param {Span} span */
export function isDetail(span) {
  return isRedis(span) && redisWords(span) === undefined;
}

/** @typedef {ReturnType<typeof toTree>} Tree */

/**
 * The words for the spans of a trace.
 * @param {Span[]} spans
 * @returns {(span: Span) => string}
 */
export function toWords(spans) {
  const tree = toTree(spans);
  const isClusterKeys = findClusterKeys(spans);
  return (span) => {
    if (isRedis(span)) return redisWords(span) ?? commandWords(span);
    if (span.kind === 'server') return serverWords(span, tree);
    if (span.kind === 'internal') return workWords(span, isClusterKeys(span));
    const served = tree.childrenOf(span).find(({ kind }) => kind === 'server');
    if (served) return serverWords(served, tree);
    // "POST" alone says little; the span around it says what it is for.
    const parent = tree.parentOf(span);
    if (!/^[A-Z]+$/.test(span.name) || parent?.kind !== 'internal') return span.name;
    if (span.name === 'GET' && reads.has(parent.name)) return String(reads.get(parent.name));
    return workWords(parent, isClusterKeys(parent));
  };
}

/** @param {Span} span */
function commandWords({ name, attributes }) {
  const { 'db.stored_procedure.name': script = name, 'db.collection.name': kind } = attributes;
  return [script, kind].filter(Boolean).join(' ');
}

/** A request to one of our services. @param {Span} span @param {Tree} tree */
function serverWords(span, tree) {
  const { service, name, attributes } = span;
  const route = String(attributes['http.route'] ?? name.replace(/^[A-Z]+ /, ''));
  const grant = grants.get(String(attributes['onbehalf.grant'] ?? ''));
  if (route === '/oauth2/token' && grant) {
    const source = grant === 'redeem code' ? undefined : sources.get(String(attributes['onbehalf.token.source']));
    return [`${grant}${grant === 'token' ? apiAfter(span, tree) : ''}`, source].filter(Boolean).join(' · ');
  }
  const kind = name === 'GET /sign-in' ? flowKinds.get(String(attributes['onbehalf.flow.kind'])) : undefined;
  const known = kind ?? requests.get(`${service} ${name}`);
  if (known || service !== 'web-frontend') return known ?? name;
  if (route.startsWith('/api/')) return 'call an API';
  return name.startsWith('GET /') ? `open ${route}` : name;
}

/** The API that a token is for: the service that its caller calls next. @param {Span} span @param {Tree} tree */
function apiAfter(span, { parentOf, childrenOf }) {
  const call = parentOf(span);
  const later = call ? childrenOf(parentOf(call)).filter(({ startMs }) => startMs > call.startMs) : [];
  const served = later
    .flatMap((each) => childrenOf(each))
    .find(({ kind, service }) => kind === 'server' && service !== span.service);
  return served ? ` for ${served.service}` : '';
}

/** @param {Span} span @param {boolean} ofCluster a fetch of the cluster's keys */
function workWords({ name, attributes }, ofCluster) {
  if (name === 'jwks.refresh') return ofCluster ? 'fetch cluster keys' : 'fetch signing keys';
  if (name !== 'token.idp.request') return works.get(name) ?? name;
  const code = attributes['onbehalf.entra.error_code'];
  const grant = grants.get(String(attributes['onbehalf.grant'])) ?? 'token request';
  return code === undefined ? grant : `${grant} · AADSTS${code}`;
}

/** How a request ended: its status, the failure and the time. @param {Span} span */
export function outcomeOf({ attributes, startMs, endMs }) {
  const [status, error] = [attributes['http.response.status_code'], attributes['error.type']];
  const failure = String(error ?? '') === String(status ?? '') ? undefined : error;
  return [[status, failure].filter((part) => part !== undefined).join(' '), formatMs(endMs - startMs)]
    .filter(Boolean)
    .join(' · ');
}
