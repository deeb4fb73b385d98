import { drawSequence } from '../draw/sequence.js';
import { escapeText, formatMs, toCount } from '../draw/svg.js';
import { drawWaterfall } from '../draw/waterfall.js';
import { drawDetails } from './details.js';
import { toBadge } from './list.js';
import { boxes, flows, page, shown, trace } from './state.js';

export function drawTrace() {
  const flow = flows.get(trace.id);
  const isGone = trace.missing && trace.spans.length === 0;
  page.trace.hidden = trace.spans.length === 0;
  page.gone.hidden = !isGone;
  if (isGone) document.title = 'This trace is not here · Onbehalf traces';
  if (trace.spans.length === 0 || !flow) return;
  document.title = `${flow.action} · Onbehalf traces`;
  page.name.innerHTML = `${escapeText(flow.action)} ${toBadge(flow.error, flow.outcome)}`;
  const waited = flow.durationMs - flow.ownMs;
  const facts = [
    new Date(flow.startMs).toLocaleString(),
    waited > 1 ? `${formatMs(flow.ownMs)} ours + ${formatMs(waited)} at Entra ID` : formatMs(flow.durationMs),
    `${toCount(flow.spans, 'span')} in ${toCount(flow.services.length, 'service')}`,
  ];
  page.facts.innerHTML = `${escapeText(facts.join(' · '))} · <code>${trace.id}</code>`;
  page.mermaid.href = `/api/traces/${trace.id}.mmd`;
  page.export.href = `/api/traces/${trace.id}.html`;
  drawRelated(flow);
  drawDrawing();
}

export function drawRelated(flow) {
  const from = flow.links.filter((id) => id !== trace.id && flows.has(id)).map((id) => flows.get(id));
  const later = [...flows.values()].filter(({ links, traceId }) => traceId !== trace.id && links.includes(trace.id));
  const toLinks = (list) => list.map(({ traceId, action }) => `<a href="/traces/${traceId}">${escapeText(action)}</a>`);
  const parts = [
    from.length > 0 ? `Came after ${toLinks(from).join(', ')}` : '',
    later.length > 0 ? `Followed by ${toLinks(later.slice(0, 9)).join(', ')}` : '',
  ];
  page.related.innerHTML = parts.filter(Boolean).join(' · ');
}

export function drawDrawing() {
  for (const name of ['sequence', 'waterfall']) {
    const chosen = name === shown.view;
    const tab = page[`tab-${name}`];
    tab.setAttribute('aria-selected', chosen);
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) page.drawing.setAttribute('aria-labelledby', `tab-${name}`);
  }
  page.scale.hidden = shown.view !== 'waterfall';
  shown.width = page.drawing.clientWidth;
  const options = {
    width: Math.max(240, shown.width - 22),
    trueScale: page.trueScale.checked,
    detail: boxes.redis.checked,
  };
  page.rows.innerHTML = (shown.view === 'sequence' ? drawSequence : drawWaterfall)(trace.spans, options);
  mark();
}

export const rowsShown = () => [...page.rows.querySelectorAll('.row')];

/** Shows which span is chosen, in the drawing and in the drawer. */
export function mark(scroll = false) {
  let active;
  for (const row of rowsShown()) {
    const chosen = row.dataset.span === trace.selected;
    row.setAttribute('aria-selected', chosen);
    if (chosen) active ??= row;
  }
  page.rows.setAttribute('aria-activedescendant', active?.id ?? '');
  // The drawer takes room from the drawing, so it comes first.
  drawDetails();
  if (scroll) active?.querySelector('.hit').scrollIntoView({ block: 'nearest', inline: 'nearest' });
}
