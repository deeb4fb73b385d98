import { drawSequence } from './sequence.js';
import { escapeText, formatMs } from './svg.js';
import { drawWaterfall } from './waterfall.js';

/** Every part of the page that has a name, by it. */
const page = Object.fromEntries([...document.querySelectorAll('[id]')].map((part) => [part.id, part]));
const shownAtMost = 300;
const flows = new Map();
const trace = { id: '', spans: [], selected: '' };
const query = new URLSearchParams(location.search);
const controls = { find: page.find, action: page.action, min: page.min };
let view = query.get('view') === 'waterfall' ? 'waterfall' : 'sequence';
let drawnWidth = 0;

/** A filter, the drawing and the chosen span stand in the address, so that a link shows the same to someone else. */
function remember(push = false) {
  const parts = new URLSearchParams();
  for (const [name, control] of Object.entries(controls)) if (control.value) parts.set(name, control.value);
  if (page.errors.checked) parts.set('errors', '1');
  if (view === 'waterfall') parts.set('view', view);
  if (trace.selected) parts.set('span', trace.selected);
  const address = `/${trace.id ? `traces/${trace.id}` : ''}${parts.size > 0 ? `?${parts}` : ''}`;
  history[push ? 'pushState' : 'replaceState'](null, '', address);
}

/** Entra ID writes our trace id as a GUID: its correlation id. */
const plainId = (text) => text.trim().toLowerCase().replaceAll('-', '');

function matches(flow) {
  const find = controls.find.value.trim().toLowerCase();
  return (
    (!controls.action.value || flow.action === controls.action.value) &&
    (!page.errors.checked || flow.error) &&
    flow.ownMs >= Number(controls.min.value) &&
    (!find || flow.traceId.startsWith(plainId(find)) || `${flow.action} ${flow.outcome}`.toLowerCase().includes(find))
  );
}

function drawList() {
  const sorted = [...flows.values()].sort((a, b) => b.startMs - a.startMs);
  const actions = [...new Set([...sorted.map((flow) => flow.action), controls.action.value])].filter(Boolean).sort();
  const options = actions.map((action) => new Option(action, action, false, action === controls.action.value));
  controls.action.replaceChildren(new Option('every action', ''), ...options);
  const found = sorted.filter(matches);
  const focused = document.activeElement?.closest?.('#flows a')?.id;
  page.flows.innerHTML = found.slice(0, shownAtMost).map(toItem).join('');
  if (focused) document.getElementById(focused)?.focus();
  page.none.textContent =
    flows.size === 0
      ? 'Nothing yet: sign in.'
      : found.length === 0
        ? 'Nothing fits the filters.'
        : found.length > shownAtMost
          ? `and ${found.length - shownAtMost} older`
          : '';
}

function toItem(flow) {
  const { traceId, action, outcome, error, startMs, durationMs, ownMs, spans } = flow;
  const waited = durationMs - ownMs;
  return `<li><a id="f-${traceId}" href="/traces/${traceId}"${traceId === trace.id ? ' aria-current="true"' : ''}><b>${escapeText(action)}</b><span class="end">${formatMs(ownMs)}</span><small>${new Date(startMs).toLocaleTimeString()} · ${waited > 1 ? `${formatMs(waited)} away` : `${spans} spans`}</small><span class="end">${toBadge(error, outcome)}</span></a></li>`;
}

function toBadge(error, outcome) {
  return error
    ? `<span class="badge bad">✕ ${escapeText(outcome || 'error')}</span>`
    : outcome && `<span class="badge">${escapeText(outcome)}</span>`;
}

function drawTrace() {
  const flow = flows.get(trace.id);
  page.trace.hidden = trace.spans.length === 0;
  if (trace.spans.length === 0 || !flow) return;
  document.title = `${flow.action} · Onbehalf traces`;
  page.name.innerHTML = `${escapeText(flow.action)} ${toBadge(flow.error, flow.outcome)}`;
  const waited = flow.durationMs - flow.ownMs;
  const facts = [
    new Date(flow.startMs).toLocaleString(),
    waited > 1 ? `${formatMs(flow.ownMs)} ours + ${formatMs(waited)} at Entra ID` : formatMs(flow.durationMs),
    `${flow.spans} spans in ${flow.services.length} services`,
  ];
  page.facts.innerHTML = `${escapeText(facts.join(' · '))} · <code>${trace.id}</code>`;
  page.mermaid.href = `/api/traces/${trace.id}.mmd`;
  page.export.href = `/api/traces/${trace.id}.html`;
  drawRelated(flow);
  drawDrawing();
}

function drawRelated(flow) {
  const from = flow.links.filter((id) => id !== trace.id && flows.has(id)).map((id) => flows.get(id));
  const later = [...flows.values()].filter(({ links, traceId }) => traceId !== trace.id && links.includes(trace.id));
  const toLinks = (list) => list.map(({ traceId, action }) => `<a href="/traces/${traceId}">${escapeText(action)}</a>`);
  const parts = [
    from.length > 0 ? `Came after ${toLinks(from).join(', ')}` : '',
    later.length > 0 ? `Followed by ${toLinks(later.slice(0, 9)).join(', ')}` : '',
  ];
  page.related.innerHTML = parts.filter(Boolean).join(' · ');
}

function drawDrawing() {
  for (const name of ['sequence', 'waterfall']) {
    const chosen = name === view;
    const tab = page[`tab-${name}`];
    tab.setAttribute('aria-selected', chosen);
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) page.drawing.setAttribute('aria-labelledby', `tab-${name}`);
  }
  page.scale.hidden = view !== 'waterfall';
  drawnWidth = page.drawing.clientWidth;
  const options = { width: Math.max(280, drawnWidth - 20), trueScale: page.trueScale.checked };
  page.rows.innerHTML = (view === 'sequence' ? drawSequence : drawWaterfall)(trace.spans, options);
  mark();
}

const rowsShown = () => [...page.rows.querySelectorAll('.row')];

/** Shows which span is chosen, in the drawing and beside it. */
function mark(scroll = false) {
  let active;
  for (const row of rowsShown()) {
    const chosen = row.dataset.span === trace.selected;
    row.setAttribute('aria-selected', chosen);
    if (chosen) active ??= row;
  }
  page.rows.setAttribute('aria-activedescendant', active?.id ?? '');
  if (scroll) active?.querySelector('.hit').scrollIntoView({ block: 'nearest', inline: 'nearest' });
  drawDetails();
}

function choose(spanId, scroll) {
  trace.selected = spanId;
  const before = page.drawing.clientWidth;
  mark(scroll);
  remember();
  // The panel takes room from the drawing.
  if (page.drawing.clientWidth !== before) drawDrawing();
}

function drawDetails() {
  const span = trace.spans.find(({ spanId }) => spanId === trace.selected);
  page.details.hidden = !span;
  if (!span) return;
  const own = {
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
  page.details.innerHTML = `<button class="close" type="button" aria-label="Close">✕</button><h3>${escapeText(span.name)} ${span.error ? toBadge(true, span.message) : ''}</h3>${toList(own)}<h4>Attributes</h4>${toList(span.attributes)}${links.length > 0 ? `<h4>Links</h4><dl>${links.join('')}</dl>` : ''}${events.join('')}`;
}

function toList(values) {
  const pairs = Object.entries(values).map(([name, value]) => {
    const text = String(value);
    return `<dt>${escapeText(name)}</dt><dd>${escapeText(text)}${suspicion(text)}</dd>`;
  });
  return pairs.length > 0 ? `<dl>${pairs.join('')}</dl>` : '<p class="hint">none</p>';
}

/** What must never be in a span is pointed at. */
function suspicion(text) {
  const what = /eyJ[\w-]{6,}\.[\w-]+/.test(text)
    ? 'a token'
    : /[^\s@]+@[^\s@]+\.[a-z]/i.test(text)
      ? 'an e-mail address'
      : '';
  return what && ` <span class="badge bad">⚠ looks like ${what}</span>`;
}

async function load(id) {
  const answer = await fetch(`/api/traces/${id}`);
  if (id !== trace.id) return;
  const { spans = [], flow } = answer.ok ? await answer.json() : {};
  if (flow) flows.set(id, flow);
  trace.spans = spans;
  if (!answer.ok) page.none.textContent = 'This trace is not, or no longer, kept here.';
  drawTrace();
}

async function open(id, { push = true, span = '' } = {}) {
  trace.id = id;
  trace.selected = span;
  trace.spans = [];
  remember(push);
  drawList();
  await load(id);
}

/** Opens what an address names, a link's or our own. */
function openLink({ pathname, search }, push) {
  const id = pathname.slice('/traces/'.length);
  if (id) open(id, { push, span: new URLSearchParams(search).get('span') ?? '' });
}

function setView(name) {
  view = name;
  remember();
  drawDrawing();
  mark(true);
}

function step(by) {
  const ids = [...new Set(rowsShown().map((row) => row.dataset.span))];
  const place = ids.indexOf(trace.selected);
  choose(ids[Math.min(ids.length - 1, Math.max(0, place + by))], true);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target;
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const typing = at.matches('input[type="search"], select');
  if (by && at.matches('#flows a')) {
    const links = [...page.flows.querySelectorAll('a')];
    links[links.indexOf(at) + by]?.focus();
  } else if (by && at === page.rows) step(by);
  else if (event.key === 'Enter' && at === page.rows && trace.selected) page.details.focus();
  else if (event.key === 'Escape' && page.details.contains(at)) page.rows.focus();
  else if (event.key === 'Escape' && trace.selected && !typing) choose('');
  else if (event.key === 'Escape') document.getElementById(`f-${trace.id}`)?.focus();
  else if (/^Arrow(Left|Right)$/.test(event.key) && at.role === 'tab') {
    setView(view === 'sequence' ? 'waterfall' : 'sequence');
    page[`tab-${view}`].focus();
  } else if (event.key === 'v' && !typing) setView(view === 'sequence' ? 'waterfall' : 'sequence');
  else if (event.key === '/' && !typing) controls.find.focus();
  else return;
  event.preventDefault();
}

function onClick(event) {
  const at = event.target;
  const link = at.closest('a[href^="/traces/"]');
  const row = at.closest('.row');
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    openLink(link, true);
  } else if (row) {
    choose(row.dataset.span === trace.selected ? '' : row.dataset.span);
    page.rows.focus({ preventScroll: true });
  } else if (at.matches('.close')) {
    choose('');
    page.rows.focus();
  } else if (at.role === 'tab') setView(at.id.slice('tab-'.length));
}

function onStream({ data }) {
  const { changed, gone } = JSON.parse(data);
  for (const flow of changed) flows.set(flow.traceId, flow);
  for (const id of gone) flows.delete(id);
  const first = !trace.id && [...flows.values()].sort((a, b) => b.startMs - a.startMs).find(matches);
  if (first) open(first.traceId, { push: false });
  else drawList();
  if (changed.some((flow) => flow.traceId === trace.id)) load(trace.id);
  else if (gone.includes(trace.id)) leave();
  else if (flows.has(trace.id) && trace.spans.length > 0) drawRelated(flows.get(trace.id));
}

function leave() {
  Object.assign(trace, { id: '', spans: [], selected: '' });
  remember();
  drawTrace();
}

function connect() {
  const stream = new EventSource('/api/stream');
  const say = (on) => {
    page.live.textContent = on ? 'live' : 'not connected';
    page.live.className = on ? 'on' : '';
  };
  stream.onopen = async () => {
    say(true);
    // What happened while the stream was away comes with the whole list.
    const all = await (await fetch('/api/flows')).json();
    flows.clear();
    onStream({ data: JSON.stringify({ changed: all, gone: [] }) });
  };
  stream.onerror = () => say(false);
  stream.onmessage = onStream;
}

for (const [name, control] of Object.entries(controls)) {
  const wanted = query.get(name) ?? '';
  if (name === 'action' && wanted) control.append(new Option(wanted, wanted));
  control.value = wanted;
}
page.errors.checked = query.has('errors');
page.filters.addEventListener('input', () => {
  remember();
  drawList();
});
page.filters.addEventListener('submit', (event) => {
  event.preventDefault();
  const id = plainId(controls.find.value);
  const only = /^[0-9a-f]{32}$/.test(id) ? id : page.flows.querySelector('a')?.id.slice(2);
  if (only) open(only);
});
page.trueScale.addEventListener('change', drawDrawing);
page.clear.addEventListener('click', () => fetch('/api/traces', { method: 'DELETE' }));
page.copy.addEventListener('click', async () => {
  await navigator.clipboard?.writeText(location.href);
  page.copy.textContent = 'Copied';
  setTimeout(() => (page.copy.textContent = 'Copy link'), 1500);
});
addEventListener('keydown', onKey);
addEventListener('click', onClick);
new ResizeObserver(() => {
  if (trace.spans.length > 0 && page.drawing.clientWidth !== drawnWidth) drawDrawing();
}).observe(page.drawing);
addEventListener('popstate', () => openLink(location, false));
connect();
openLink(location, false);
