import { escapeText, formatMs, toCount } from '../draw/svg.js';
import { boxes, controls, flows, page, trace } from './state.js';

const shownAtMost = 300;

/** Entra ID writes our trace id as a GUID: its correlation id. */
export const plainId = (text) => text.trim().toLowerCase().replaceAll('-', '');

export function matches(flow) {
  const find = controls.find.value.trim().toLowerCase();
  return (
    (!controls.action.value || flow.action === controls.action.value) &&
    (!controls.service.value || flow.services.includes(controls.service.value)) &&
    (!boxes.errors.checked || flow.error) &&
    flow.ownMs >= Number(controls.min.value) &&
    (!find || flow.traceId.startsWith(plainId(find)) || flow.terms.some((term) => term.toLowerCase().includes(find)))
  );
}

function fillOptions(control, all, values) {
  const names = [...new Set([...values, control.value])].filter(Boolean).sort();
  const options = names.map((name) => new Option(name, name, false, name === control.value));
  control.replaceChildren(new Option(all, ''), ...options);
}

export function drawList() {
  const sorted = [...flows.values()].sort((a, b) => b.startMs - a.startMs);
  fillOptions(
    controls.action,
    'every action',
    sorted.map((flow) => flow.action),
  );
  fillOptions(
    controls.service,
    'every service',
    sorted.flatMap((flow) => flow.services),
  );
  const found = sorted.filter(matches);
  const focused = document.activeElement?.closest?.('#flows a')?.id;
  page.flows.innerHTML = found.slice(0, shownAtMost).map(toItem).join('');
  if (focused) document.getElementById(focused)?.focus();
  page.none.textContent =
    flows.size === 0
      ? 'Nothing yet: sign in, and it appears here.'
      : found.length === 0
        ? 'No trace fits the filters.'
        : found.length > shownAtMost
          ? `and ${found.length - shownAtMost} older`
          : '';
}

function toItem(flow) {
  const { traceId, action, outcome, error, startMs, durationMs, ownMs, spans } = flow;
  const waited = durationMs - ownMs;
  return `<li><a id="f-${traceId}" href="/traces/${traceId}"${traceId === trace.id ? ' aria-current="true"' : ''}><b>${escapeText(action)}</b><span class="end">${formatMs(ownMs)}</span><small>${new Date(startMs).toLocaleTimeString()} · ${waited > 1 ? `${formatMs(waited)} away` : toCount(spans, 'span')}</small><span class="end">${toBadge(error, outcome)}</span></a></li>`;
}

export function toBadge(error, outcome) {
  return error
    ? `<span class="badge bad">✕ ${escapeText(outcome || 'error')}</span>`
    : outcome && `<span class="badge">${escapeText(outcome)}</span>`;
}
