import { escapeText, formatMs } from '../draw/svg.js';
import { toWords } from '../draw/words.js';
import { toBadge } from './list.js';
import { flows, page, trace } from './state.js';

/** The drawer of the chosen span. */
export function drawDetails() {
  const span = trace.spans.find(({ spanId }) => spanId === trace.selected);
  page.details.hidden = !span;
  if (!span) return;
  const own = {
    span: span.name,
    service: span.service,
    kind: span.kind,
    took: formatMs(span.endMs - span.startMs),
    'span id': span.spanId,
  };
  const links = span.links.map(
    ({ traceId, spanId }) =>
      `<dt>link</dt><dd><a href="/traces/${traceId}?span=${spanId}">${flows.has(traceId) ? escapeText(flows.get(traceId).action) : traceId}</a></dd>`,
  );
  const events = span.events.map(
    (event) =>
      `<h4>${escapeText(event.name)} · +${formatMs(event.atMs - span.startMs)}</h4>${toList(event.attributes)}`,
  );
  page.details.innerHTML = `<button class="close" type="button" aria-label="Close">✕</button><h3>${escapeText(toWords(trace.spans)(span))} ${span.error ? toBadge(true, span.message) : ''}</h3><div class="columns">${toList({ ...own, ...span.attributes })}</div>${links.length > 0 ? `<h4>Links</h4><dl>${links.join('')}</dl>` : ''}${events.join('')}`;
}

function toList(values) {
  const pairs = Object.entries(values).map(([name, value]) => {
    const text = String(value);
    return `<dt>${escapeText(name)}</dt><dd>${escapeText(text)}${suspicion(text)}</dd>`;
  });
  return pairs.length > 0 ? `<dl>${pairs.join('')}</dl>` : '<p class="hint">none</p>';
}

/** Points at a value that must never be in a span. */
function suspicion(text) {
  const kind = /eyJ[\w-]{6,}\.[\w-]+/.test(text)
    ? 'a token'
    : /[^\s@]+@[^\s@]+\.[a-z]/i.test(text)
      ? 'an e-mail address'
      : '';
  return kind && ` <span class="badge bad">⚠ looks like ${kind}</span>`;
}
