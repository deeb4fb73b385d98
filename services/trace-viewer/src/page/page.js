import { drawList, matches, plainId } from './list.js';
import { drawDrawing, drawRelated, drawTrace, mark, rowsShown } from './stage.js';
import { controls, flows, page, recall, remember, shown, trace } from './state.js';

function choose(spanId) {
  trace.selected = spanId;
  mark(true);
  remember();
}

async function load(id) {
  const response = await fetch(`/api/traces/${id}`);
  if (id !== trace.id) return;
  const { spans = [], flow } = response.ok ? await response.json() : {};
  if (flow) flows.set(id, flow);
  Object.assign(trace, { spans, missing: response.status === 404 });
  drawTrace();
}

async function open(id, { push = true, span = '' } = {}) {
  Object.assign(trace, { id, selected: span, spans: [], missing: false });
  remember(push);
  drawList();
  await load(id);
}

/** Opens the trace of an address, a link's or our own. */
function openLink({ pathname, search }, push) {
  const id = pathname.slice('/traces/'.length);
  if (id) open(id, { push, span: new URLSearchParams(search).get('span') ?? '' });
}

function setView(name) {
  shown.view = name;
  remember();
  drawDrawing();
  mark(true);
}

function step(by) {
  const ids = [...new Set(rowsShown().map((row) => row.dataset.span))];
  const place = ids.indexOf(trace.selected);
  choose(ids[Math.min(ids.length - 1, Math.max(0, place + by))] ?? '');
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target;
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const typing = at.matches('input, select');
  const other = shown.view === 'sequence' ? 'waterfall' : 'sequence';
  if (by && at.matches('#flows a')) {
    const links = [...page.flows.querySelectorAll('a')];
    links[links.indexOf(at) + by]?.focus();
  } else if (by && !typing && trace.spans.length > 0 && !page.details.contains(at)) step(by);
  else if (event.key === 'Enter' && (at === page.rows || at === document.body) && trace.selected) page.details.focus();
  else if (event.key === 'Enter' && at === page.rows) step(1);
  else if (event.key === 'Escape' && page.details.contains(at)) page.rows.focus();
  else if (event.key === 'Escape' && trace.selected && !typing) choose('');
  else if (event.key === 'Escape') document.getElementById(`f-${trace.id}`)?.focus();
  else if (/^Arrow(Left|Right)$/.test(event.key) && at.role === 'tab') {
    setView(other);
    page[`tab-${shown.view}`].focus();
  } else if (event.key === 'v' && !typing) setView(other);
  else if (event.key === 'r' && !typing) page.redis.click();
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
    page.rows.focus({ preventScroll: true });
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

/** The open trace was dropped: its page says so. */
function leave() {
  Object.assign(trace, { spans: [], selected: '', missing: true });
  drawTrace();
}

function connect() {
  const stream = new EventSource('/api/stream');
  const report = (on) => {
    page.live.textContent = on ? 'live' : 'not connected';
    page.live.className = on ? 'on' : '';
  };
  stream.onopen = async () => {
    report(true);
    // The whole list brings what the stream has missed.
    const all = await (await fetch('/api/flows')).json();
    flows.clear();
    onStream({ data: JSON.stringify({ changed: all, gone: [] }) });
  };
  stream.onerror = () => report(false);
  stream.onmessage = onStream;
}

recall();
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
page.redis.addEventListener('change', () => {
  remember();
  drawDrawing();
});
page.clear.addEventListener('click', async () => {
  await fetch('/api/traces', { method: 'DELETE' });
  Object.assign(trace, { id: '', spans: [], selected: '', missing: false });
  remember();
  drawTrace();
});
page.copy.addEventListener('click', async () => {
  await navigator.clipboard?.writeText(location.href);
  page.copy.textContent = 'Copied';
  setTimeout(() => (page.copy.textContent = 'Copy link'), 1500);
});
addEventListener('keydown', onKey);
addEventListener('click', onClick);
new ResizeObserver(() => {
  if (trace.spans.length > 0 && page.drawing.clientWidth !== shown.width) drawDrawing();
}).observe(page.drawing);
addEventListener('popstate', () => openLink(location, false));
connect();
openLink(location, false);
