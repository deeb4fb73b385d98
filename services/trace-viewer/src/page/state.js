/** Every part of the page that has a name, by it. */
export const page = Object.fromEntries([...document.querySelectorAll('[id]')].map((part) => [part.id, part]));
/** The known traces by their id. */
export const flows = new Map();
/** The open trace. */
export const trace = { id: '', spans: [], selected: '' };
export const query = new URLSearchParams(location.search);
export const controls = { find: page.find, action: page.action, service: page.service, min: page.min };
export const boxes = { errors: page.errors, redis: page.redis };
export const shown = { view: query.get('view') === 'waterfall' ? 'waterfall' : 'sequence', width: 0 };

/** A filter, the drawing and the chosen span stand in the address, so that a link shows the same to someone else. */
export function remember(push = false) {
  const parts = new URLSearchParams();
  for (const [name, control] of Object.entries(controls)) if (control.value) parts.set(name, control.value);
  for (const [name, box] of Object.entries(boxes)) if (box.checked) parts.set(name, '1');
  if (shown.view === 'waterfall') parts.set('view', shown.view);
  if (trace.selected) parts.set('span', trace.selected);
  const address = `/${trace.id ? `traces/${trace.id}` : ''}${parts.size > 0 ? `?${parts}` : ''}`;
  history[push ? 'pushState' : 'replaceState'](null, '', address);
}

/** Sets the filters by the address. */
export function recall() {
  for (const [name, control] of Object.entries(controls)) {
    const wanted = query.get(name) ?? '';
    if (control.options && wanted) control.append(new Option(wanted, wanted));
    control.value = wanted;
  }
  for (const [name, box] of Object.entries(boxes)) box.checked = query.has(name);
}
