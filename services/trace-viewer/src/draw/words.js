// @ts-check
import { findClusterKeys, toTree } from './spans.js';
import { formatMs } from './svg.js';
import {
  commands,
  flowKinds,
  grants,
  reads,
  requests,
  resourceMetadata,
  scripts,
  sources,
  works,
} from './vocabulary.js';

/** @typedef {import('../span.ts').Span} Span */

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
    const named = `${grant}${grant === 'token' ? apiAfter(span, tree) : ''}${ofAgent(span)}`;
    return [named, grant === 'redeem code' ? undefined : sourceOf(span)].filter(Boolean).join(' · ');
  }
  if (resourceMetadata.test(route) || resourceMetadata.test(String(attributes['url.path'] ?? ''))) {
    return 'resource metadata';
  }
  if (isMcp(span, route)) return mcpWords(span, tree);
  const kind = name === 'GET /sign-in' ? flowKinds.get(String(attributes['onbehalf.flow.kind'])) : undefined;
  const known = kind ?? requests.get(`${service} ${name}`);
  if (known || service !== 'web-frontend') return known ?? name;
  if (route.startsWith('/api/')) return 'call an API';
  return name.startsWith('GET /') ? `open ${route}` : name;
}

/** Where a token came from. @param {Span} span */
function sourceOf({ attributes }) {
  return sources.get(String(attributes['onbehalf.token.source']));
}

/** @param {Span} span */
function ofAgent({ attributes }) {
  return attributes['onbehalf.agent'] === undefined || attributes['onbehalf.grant'] === 'user_fic'
    ? ''
    : ' of an agent';
}

/** By OpenTelemetry's conventions for MCP, or by the path that MCP servers have. @param {Span} span @param {string} route */
function isMcp({ name, attributes }, route) {
  const method = attributes['mcp.method.name'];
  return method === undefined ? /^POST\b/.test(name) && /\/mcp$/.test(route) : method === 'tools/call';
}

/** A tool, and where the token came from with which it calls the next API. @param {Span} span @param {Tree} tree */
function mcpWords(span, { childrenOf }) {
  const asked = childrenOf(span)
    .flatMap((each) => [each, ...childrenOf(each)])
    .filter(({ kind, attributes }) => kind === 'server' && attributes['onbehalf.grant'] !== undefined);
  // The path is that of all requests: the first ones only say who speaks, and need no token.
  if (span.attributes['mcp.method.name'] === undefined && asked.length === 0) return 'MCP request';
  const onBehalf = asked.find(({ attributes }) => attributes['onbehalf.grant'] === 'jwt_bearer');
  const source = onBehalf && sourceOf(onBehalf);
  const tool = ['tool call', span.attributes['gen_ai.tool.name']].filter(Boolean).join(' ');
  return source ? `${tool} · token ${source}` : tool;
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
