// @ts-check
/** @typedef {import('../span.ts').Span} Span */

/** The span that covers the person's time at Entra ID: waiting, not work. */
export const waiting = 'auth.user_at_idp';

/** Who can take part, in the order of their lanes; a name not listed comes after and has the last colour. */
const parties = ['Browser', 'web-frontend', 'token-broker', 'redis', 'Entra ID', 'downstream-api', 'Microsoft Graph'];

/** Spans that are calls to Entra ID whatever address it has. */
const callsToEntra = ['token.idp.request', 'jwks.refresh'];

/** @param {string} party */
export function colourOf(party) {
  const place = parties.indexOf(party);
  return `k${place < 0 ? parties.length : place}`;
}

/** @param {Iterable<string>} names */
export function inLaneOrder(names) {
  const place = (/** @type {string} */ name) => (parties.includes(name) ? parties.indexOf(name) : parties.length);
  return [...new Set(names)].sort((a, b) => place(a) - place(b) || a.localeCompare(b));
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
 * Who was called by a client span that nobody answered with a span of their own.
 * @param {Span[]} spans
 * @returns {(span: Span) => string}
 */
export function toPeers(spans) {
  const { parentOf } = toTree(spans);
  const isEntraCall = (/** @type {Span} */ span) => {
    for (let at = /** @type {Span | undefined} */ (span), hops = 0; at && hops < 8; at = parentOf(at), hops++) {
      if (callsToEntra.includes(at.name)) return true;
      if (at.kind === 'server') return false;
    }
    return false;
  };
  // In a trial Entra ID is an emulator at some port: where the known calls went, the others went too.
  const entra = new Set(spans.filter(isEntraCall).map(addressOf).filter(Boolean));
  return (span) => {
    const { 'peer.service': name, 'db.system.name': db, 'db.system': oldDb } = span.attributes;
    const address = addressOf(span);
    if (name !== undefined) return String(name);
    if (db !== undefined || oldDb !== undefined) return String(db ?? oldDb);
    if (isEntraCall(span) || /^login\./.test(address)) return 'Entra ID';
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
