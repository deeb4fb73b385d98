import { randomUUID } from 'node:crypto';

/** What Microsoft Graph stores: `kind` is its collection, `owner` the object that it is a part of. */
export type Stored = { kind: string; owner?: string; id: string; appId: string; [key: string]: unknown };

/** Microsoft Graph as `az rest` reaches it: objects by collection, and every write as `METHOD /path`. */
export class Graph {
  objects: Stored[] = [];
  writes: string[] = [];

  /** What `az rest` with these arguments prints. */
  rest(option: (flag: string) => string): string {
    const url = new URL(option('--url'));
    const method = option('--method');
    const [, , collection = '', owner, part, partId] = url.pathname.split('/');
    const kind = part ?? collection;
    const id = part ? partId : owner;
    const own = this.objects.filter((object) => object.kind === kind && (!part || object.owner === owner));
    const one = own.find((object) => object.id === id);
    if (method === 'GET') {
      const [, field = '', value] = /^(\w+) eq '(.*)'$/.exec(url.searchParams.get('$filter') ?? '') ?? [];
      return JSON.stringify(id ? one : { value: own.filter((object) => !field || object[field] === value) });
    }
    this.writes.push(`${method} ${url.pathname}`);
    if (method === 'DELETE') {
      this.objects = this.objects.filter((object) => object !== one);
      return '';
    }
    const object = one ?? { kind, ...(part && owner && { owner }), id: randomUUID(), appId: randomUUID() };
    if (!one) this.objects.push(object);
    return JSON.stringify(merge(object, JSON.parse(option('--body'))));
  }
}

type Section = Record<string, unknown>;
const isSection = (value: unknown): value is Section =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** As Graph patches: sections merge, lists and plain values are replaced. */
function merge<T extends Section>(to: T, from: Section): T {
  for (const [key, value] of Object.entries(from)) {
    const before = to[key];
    Object.assign(to, { [key]: isSection(value) && isSection(before) ? merge(before, value) : value });
  }
  return to;
}
