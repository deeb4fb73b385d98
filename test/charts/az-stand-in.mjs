#!/usr/bin/env node
// Stands in for `az rest` on Microsoft Graph: objects in the file AZ_STATE, every write in a file beside it.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';

const state = process.env.AZ_STATE;
const args = process.argv.slice(2);
const option = (name) => args[args.indexOf(name) + 1];
const objects = existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')) : [];
const url = new URL(option('--url'));
const [, , collection, id, part, partId] = url.pathname.split('/');
const method = option('--method');
const kind = part ?? collection;
const own = objects.filter((object) => object.kind === kind && (!part || object.owner === id));
const one = own.find((object) => object.id === (part ? partId : id));
if (method === 'GET') {
  const filter = /^(\w+) eq '(.*)'$/.exec(url.searchParams.get('$filter') ?? '');
  const value = own.filter((object) => !filter || object[filter[1]] === filter[2]);
  console.log(JSON.stringify((part ? partId : id) ? one : { value }));
} else {
  appendFileSync(`${state}.writes`, `${method} ${url.pathname}\n`);
  if (method === 'DELETE') writeFileSync(state, JSON.stringify(objects.filter((object) => object !== one)));
  else {
    const body = JSON.parse(option('--body'));
    const fresh = { kind, owner: id, id: crypto.randomUUID(), appId: crypto.randomUUID() };
    const object = merge(one ?? fresh, body);
    writeFileSync(state, JSON.stringify(one ? objects : [...objects, object]));
    console.log(JSON.stringify(object));
  }
}

/** As Graph patches: sections merge, lists and plain values are replaced. */
function merge(to, from) {
  for (const [key, value] of Object.entries(from)) {
    if (value && typeof value === 'object' && !Array.isArray(value) && to[key]) merge(to[key], value);
    else to[key] = value;
  }
  return to;
}
