import type { Span } from './span.ts';

/** One line of the list: an action, its outcome and its time. Times in ms; `ownMs` leaves the person's time out. */
export type Flow = {
  traceId: string;
  action: string;
  outcome: string;
  error: boolean;
  startMs: number;
  durationMs: number;
  ownMs: number;
  spans: number;
  services: string[];
  /** What a search finds it by: action, outcome, routes, error types and AADSTS codes. */
  terms: string[];
  /** The traces that this one's spans link to. */
  links: string[];
};

/** The span of the person's time at Entra ID: no service works meanwhile. */
const waiting = 'auth.user_at_idp';

/** Sums a trace up. `spans` are in order of their start and not empty. */
export function toFlow(spans: Span[]): Flow {
  const ids = new Set(spans.map((span) => span.spanId));
  const root = spans.find((span) => !span.parentId || !ids.has(span.parentId)) ?? (spans[0] as Span);
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const durationMs = Math.max(...spans.map((span) => span.endMs)) - startMs;
  const waitedMs = spans
    .filter((span) => span.name === waiting)
    .reduce((sum, span) => sum + span.endMs - span.startMs, 0);
  const kind = last(spans, 'onbehalf.flow.kind');
  const action = kind ? kind.replaceAll('_', ' ') : root.name;
  const outcome = last(spans, 'onbehalf.flow.outcome') || last([root], 'http.response.status_code');
  return {
    traceId: root.traceId,
    action,
    outcome,
    error: spans.some((span) => span.error),
    startMs,
    durationMs,
    ownMs: Math.max(0, durationMs - waitedMs),
    spans: spans.length,
    services: [...new Set(spans.map((span) => span.service))],
    terms: [...new Set([action, outcome, ...spans.flatMap(toTerms)])].filter(Boolean),
    links: [...new Set(spans.flatMap((span) => span.links.map((link) => link.traceId)))],
  };
}

function toTerms({ kind, name, message, attributes }: Span): string[] {
  const code = attributes['onbehalf.entra.error_code'];
  return [
    ...(kind === 'server' ? [name] : []),
    ...(message ? [message] : []),
    ...['error.type', 'onbehalf.entra.class'].flatMap((each) => String(attributes[each] ?? '')),
    ...(code === undefined ? [] : [`AADSTS${code}`]),
  ];
}

/** The latest value of an attribute: the callback knows more than the request that began the flow. */
function last(spans: Span[], attribute: string): string {
  return String(spans.findLast((span) => attribute in span.attributes)?.attributes[attribute] ?? '');
}
