// @ts-check
/** @typedef {import('../span.ts').Span} Span */

/** The span of the person's time at Entra ID: waiting, not work. */
export const waiting = 'auth.user_at_idp';

/** The span of a wait for the token that another request acquires. */
export const leaseWait = 'token.lease.wait';

/** The lane of the Kubernetes API server, which gives the keys of ServiceAccount tokens. */
const clusterKeys = 'cluster keys';

/** The lanes in their order; any other name comes after them and has the last colour. */
const parties = [
  'Browser',
  'web-frontend',
  'token-broker',
  'redis',
  'Entra ID',
  'downstream-api',
  'Microsoft Graph',
  clusterKeys,
];

/** The span of a fetch of signing keys: Entra ID's, or at the broker also the cluster's. */
const keyFetch = 'jwks.refresh';

/** @param {string} party */
export function colourOf(party) {
  const place = parties.indexOf(party);
  return `k${place < 0 ? parties.length - 1 : place}`;
}

/** @param {Iterable<string>} names */
export function inLaneOrder(names) {
  const place = (/** @type {string} */ name) => (parties.includes(name) ? parties.indexOf(name) : parties.length);
  return [...new Set(names)].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/**
 * The spans, with failed children cut at their parents' ends: the failure of a request is reported only after its
 * caller has given up.
 * @param {Span[]} spans @returns {Span[]}
 */
export function withoutOverhang(spans) {
  const { sorted, parentOf } = toTree(spans);
  /** @type {Map<string, number>} */
  const ends = new Map();
  const endOf = (/** @type {Span} */ span) => ends.get(span.spanId) ?? span.endMs;
  return sorted.map((span) => {
    const parent = parentOf(span);
    if (!span.error || !parent || span.endMs <= endOf(parent)) return span;
    const endMs = Math.max(span.startMs, endOf(parent));
    ends.set(span.spanId, endMs);
    return { ...span, endMs };
  });
}

/**
 * A trace as a tree: each span's parent and children in it. A span whose parent is not here is a root.
 * @param {Span[]} spans
 */
export function toTree(spans) {
  const sorted = [...spans].sort((a, b) => a.startMs - b.startMs || b.endMs - a.endMs);
  const byId = new Map(sorted.map((span) => [span.spanId, span]));
  /** @type {Map<string, Span[]>} */
  const children = new Map();
  for (const span of sorted) {
    const key = parentOf(span)?.spanId ?? '';
    children
      .set(key, children.get(key) ?? [])
      .get(key)
      ?.push(span);
  }
  /** @param {Span} span */
  function parentOf(span) {
    const parent = span.parentId === undefined ? undefined : byId.get(span.parentId);
    return parent === span ? undefined : parent;
  }
  const childrenOf = (/** @type {Span | undefined} */ span) => children.get(span?.spanId ?? '') ?? [];
  return { sorted, parentOf, childrenOf };
}

/**
 * The spans in the order of a waterfall: each before its children, with its depth. Spans that are each other's
 * parents come last, at depth 0.
 * @param {Span[]} spans
 * @returns {{ span: Span, depth: number }[]}
 */
export function inTreeOrder(spans) {
  const { sorted, childrenOf } = toTree(spans);
  /** @type {{ span: Span, depth: number }[]} */
  const rows = [];
  const seen = new Set();
  const pending = [...childrenOf(undefined)].reverse().map((span) => ({ span, depth: 0 }));
  for (let row = pending.pop(); row; row = pending.pop()) {
    const { span, depth } = row;
    if (seen.has(span)) continue;
    seen.add(span);
    rows.push(row);
    for (const child of [...childrenOf(span)].reverse()) pending.push({ span: child, depth: depth + 1 });
  }
  return [...rows, ...sorted.filter((span) => !seen.has(span)).map((span) => ({ span, depth: 0 }))];
}

/**
 * Finds the fetches of the cluster's keys: those of the broker that do not go where Entra ID is.
 * @param {Span[]} spans
 * @returns {(span: Span) => boolean} of the fetch, and of the request beneath it
 */
export function findClusterKeys(spans) {
  const { childrenOf } = toTree(spans);
  const workOf = toWork(spans);
  const entra = toEntraAddresses(spans, workOf);
  return (span) => {
    const work = workOf(span);
    if (work?.name !== keyFetch || work.service !== 'token-broker') return false;
    const address = childrenOf(work).map(addressOf).find(Boolean) ?? '';
    return !entra.has(address) && !/^login\./.test(address);
  };
}

/**
 * The span of Entra ID's kind that a span is or belongs to: an operation at Entra ID, or a fetch of keys.
 * @param {Span[]} spans
 * @returns {(span: Span) => Span | undefined}
 */
function toWork(spans) {
  const { parentOf } = toTree(spans);
  return (span) => {
    let at = /** @type {Span | undefined} */ (span);
    for (let hops = 0; at && at.kind !== 'server' && hops < 8; at = parentOf(at), hops++) {
      if (at.name === keyFetch || at.name === 'token.idp.request') return at;
    }
    return undefined;
  };
}

/**
 * Where Entra ID is: in a trial it is an emulator at some port.
 * @param {Span[]} spans @param {(span: Span) => Span | undefined} workOf
 */
function toEntraAddresses(spans, workOf) {
  const known = spans.filter((span) => {
    const work = workOf(span);
    return work && !(work.name === keyFetch && work.service === 'token-broker');
  });
  return new Set(known.map(addressOf).filter(Boolean));
}

/**
 * The lane of what a client span calls, where the callee has no span of its own.
 * @param {Span[]} spans
 * @returns {(span: Span) => string}
 */
export function toPeers(spans) {
  const workOf = toWork(spans);
  const isClusterKeys = findClusterKeys(spans);
  const entra = toEntraAddresses(spans, workOf);
  return (span) => {
    const { 'peer.service': name, 'db.system.name': db, 'db.system': oldDb } = span.attributes;
    const address = addressOf(span);
    if (name !== undefined) return String(name);
    if (db !== undefined || oldDb !== undefined) return String(db ?? oldDb);
    if (isClusterKeys(span)) return clusterKeys;
    if (workOf(span) || /^login\./.test(address)) return 'Entra ID';
    // The emulator is Graph as well, for the API that calls it.
    if (entra.has(address)) return span.service === 'downstream-api' ? 'Microsoft Graph' : 'Entra ID';
    if (address.startsWith('graph.')) return 'Microsoft Graph';
    return address || 'elsewhere';
  };
}

/** @param {Span} span */
function addressOf(span) {
  const { 'server.address': host = '', 'server.port': port } = span.attributes;
  return port === undefined || port === 443 ? String(host) : `${host}:${port}`;
}

/** @param {Span} span */
export function statusOf(span) {
  return String(span.attributes['http.response.status_code'] ?? span.attributes['error.type'] ?? '');
}
