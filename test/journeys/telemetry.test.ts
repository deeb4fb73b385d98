import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createViewer, type Signal, type Viewer } from '@onbehalf/trace-viewer/viewer';
import builtInSeed from '../../services/entra-emulator/src/directory/seed.json' with { type: 'json' };
import type { Span } from '../../services/trace-viewer/src/span.ts';
import { allSignals } from '../../tools/signals/signals.ts';
import { tokenHead } from '../attack/canaries.ts';
import { dumpRedis } from '../kit/redis/dump.ts';
import { accept, callApi, pick, signInForApi, signOut } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';
import { isWhole } from '../kit/traces.ts';
import { until } from '../kit/until.ts';
import type { Visitor } from '../kit/visitor.ts';

const people = ['alice', 'bob'];
const flights = 100;
/** From `/sign-in` through the first page with its API call, the token acquired for it included. */
const spanBudget = 28;
const services = ['web-frontend', 'token-broker', 'downstream-api'];

let system: System;
let viewer: Viewer;
const visitors: Visitor[] = [];
const exports: { signal: Signal; body: Buffer }[] = [];

before(async () => {
  viewer = await createViewer({ onExport: (signal, body) => void exports.push({ signal, body }) });
  const otel = {
    OTEL_EXPORTER_OTLP_ENDPOINT: viewer.url,
    OTEL_BSP_SCHEDULE_DELAY: '100',
    OTEL_METRIC_EXPORT_INTERVAL: '1000',
    PUBLIC_RATE_BURST: '1000',
  };
  system = await openSystem({
    frontend: true,
    name: 'telemetry',
    env: { web: otel, broker: { ...otel, SESSIONS_PER_ACCOUNT: '200' }, api: otel },
  });
  // What is left of a token is too little: it is acquired anew with every call.
  await system.admin('PUT', '/lifetimes', { access: 295 });
  // Everybody consents once, the scripts are loaded, and each kind of failure has happened.
  for (const person of people) {
    const visitor = newVisitor();
    await visitor.open(`${system.web}/sign-in?return_to=/whoami`);
    await pick(visitor, system, person);
    while (await accept(visitor, system));
    await callApi(visitor, system, 'Microsoft Graph');
    await signOut(visitor, system);
  }
  const dan = newVisitor();
  await dan.open(`${system.web}/sign-in`);
  await pick(dan, system, 'dan');
  await newVisitor().open(`${system.web}/auth/callback?state=none.such&code=${'c'.repeat(40)}`);
  await newVisitor().send(`${system.api}/whoami`, { headers: { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' } });
});
after(async () => {
  await system?.close();
  await viewer?.[Symbol.asyncDispose]();
});

function newVisitor(): Visitor {
  const visitor = system.visitor();
  visitors.push(visitor);
  return visitor;
}

describe('a hundred sign-ins, each with its first API call', () => {
  const isOne = ({ action, services: seen, startMs }: { action: string; services: string[]; startMs: number }) =>
    action === 'sign in' && seen.includes('downstream-api') && startMs >= beganMs;
  const names = (traceId: string) =>
    viewer
      .spans(traceId)
      .map(({ name }) => name)
      .join(', ');
  let beganMs = 0;
  const traces = () => viewer.flows().filter(isOne);

  before(async () => {
    beganMs = Date.now();
    const queue = Array.from({ length: flights }, (_, place) => people[place % people.length] ?? 'alice');
    const browse = async () => {
      for (let person = queue.pop(); person; person = queue.pop()) await signInForApi(newVisitor(), system, person);
    };
    await Promise.all(Array.from({ length: 5 }, browse));
    await until(() => traces().length >= flights && traces().every((trace) => isWhole(viewer, trace)), 'every trace');
  });

  it('are a hundred traces over three services', () => {
    assert.equal(traces().length, flights);
    for (const { services: seen, outcome, error } of traces()) {
      assert.deepEqual([...seen].sort(), [...services].sort());
      assert.equal(outcome, 'success');
      assert.equal(error, false);
    }
  });

  it('have no span whose parent is missing, and one root', () => {
    for (const { traceId } of traces()) {
      const spans = viewer.spans(traceId);
      const ids = new Set(spans.map(({ spanId }) => spanId));
      const roots = spans.filter(({ parentId }) => parentId === undefined);
      assert.deepEqual(
        roots.map(({ name }) => name),
        ['GET /sign-in'],
      );
      assert.ok(spans.every(({ parentId }) => parentId === undefined || ids.has(parentId)));
    }
  });

  it(`have at most ${spanBudget} spans each, also where they acquire the token`, (context) => {
    const counts = traces().map(({ spans }) => spans);
    const isOfEntra = ({ attributes }: Span) => attributes['onbehalf.token.source'] === 'entra';
    const acquired = traces().filter(({ traceId }) => viewer.spans(traceId).some(isOfEntra)).length;
    const most = Math.max(...counts);
    context.diagnostic(`spans: least ${Math.min(...counts)}, most ${most}; ${acquired} acquired their token`);
    const { traceId = '' } = traces().find(({ spans }) => spans === most) ?? {};
    assert.ok(acquired > 0 && most <= spanBudget, names(traceId));
  });

  it('have besides, at services that have just started, what is fetched once of Entra ID and the cluster', (context) => {
    const [first] = viewer.flows().toSorted((a, b) => a.startMs - b.startMs);
    const spans = viewer.spans(first?.traceId ?? '');
    const isFetch = ({ name, kind }: Span) => name === 'jwks.refresh' || (name === 'GET' && kind === 'client');
    const fetches = spans.filter(isFetch).length;
    context.diagnostic(`the first: ${spans.length} spans, ${fetches} of them fetches`);
    assert.equal(first?.action, 'sign in');
    assert.ok(fetches > 0 && spans.length - fetches <= spanBudget, names(first?.traceId ?? ''));
  });

  it('draw no child longer than its parent, but for what comes after the redirect to Entra ID', () => {
    const after = new Set(['auth.user_at_idp', 'GET /auth/callback', 'GET /whoami']);
    for (const { traceId } of traces()) {
      const spans = viewer.spans(traceId);
      for (const span of spans.filter(({ name }) => !after.has(name))) {
        const parent = spans.find(({ spanId }) => spanId === span.parentId);
        // A process that waits for its turn may hear that its response is written after the caller has read it.
        if (parent?.service !== span.service) continue;
        assert.ok(span.endMs <= parent.endMs, `${span.name} in ${parent.name}: ${span.endMs - parent.endMs} ms`);
      }
    }
  });

  it('name the route on every server span', () => {
    const spans = traces().flatMap(({ traceId }) => viewer.spans(traceId));
    for (const { kind, name, attributes } of spans) {
      if (kind === 'server') assert.equal(`${attributes['http.request.method']} ${attributes['http.route']}`, name);
    }
  });

  it('say of commands to Redis which script runs and which kind of key it touches', () => {
    const spans = traces().flatMap(({ traceId }) => viewer.spans(traceId));
    const told = spans.map(({ name, attributes }) =>
      [name, attributes['db.stored_procedure.name'], attributes['db.collection.name']].filter(Boolean).join(' '),
    );
    for (const words of ['take lease take-lease lease', 'write token write-token account', 'GET session session']) {
      assert.ok(told.includes(words), words);
    }
    const commands = spans.filter(({ attributes }) => attributes['db.system.name'] === 'redis');
    for (const { name, attributes } of commands)
      assert.ok(attributes['db.collection.name'] ?? name === 'PUBLISH', name);
  });

  it('hold the wait at Entra ID as a span of its own, between departure and return', () => {
    for (const { traceId } of traces()) {
      const spans = viewer.spans(traceId);
      const [departure, wait, back] = ['GET /sign-in', 'auth.user_at_idp', 'GET /auth/callback'].map((wanted) =>
        spans.find(({ name }) => name === wanted),
      );
      assert.ok(departure && wait && back);
      assert.equal(wait.parentId, departure.spanId);
      // The cookie carries whole milliseconds of the wall's clock.
      assert.ok(wait.startMs >= departure.startMs - 3 && wait.endMs >= back.startMs && wait.endMs <= back.endMs);
    }
  });

  it('send no trace header to Entra ID', async () => {
    const requests = (await system.admin('GET', '/requests')) as { traceparent?: string }[];
    assert.ok(requests.length > 100);
    assert.ok(requests.every(({ traceparent }) => traceparent === undefined));
  });

  it('are what Entra ID is told as the correlation id', () => {
    const guids = visitors.flatMap(({ answers }) =>
      answers.map(({ url }) => url.searchParams.get('client-request-id')?.replaceAll('-', '')),
    );
    for (const { traceId } of traces()) assert.ok(guids.includes(traceId));
  });
});

describe('five tabs of one browser', () => {
  it('are five traces, each whole', async () => {
    const visitor = newVisitor();
    const tabs: URL[] = [];
    for (let tab = 0; tab < 5; tab += 1) {
      await visitor.open(`${system.web}/sign-in?return_to=/profile`);
      tabs.push(visitor.page.url);
    }
    const ids = tabs.map((url) => (url.searchParams.get('client-request-id') ?? '').replaceAll('-', ''));
    // Finished in another order than begun.
    for (const url of tabs.toReversed()) {
      await visitor.open(url);
      // From the second on, Entra ID knows who it is.
      if (visitor.page.url.origin === system.emulator.browserOrigin) await pick(visitor, system, 'bob');
      assert.equal(visitor.page.url.pathname, '/profile');
    }
    assert.equal(new Set(ids).size, 5);
    const callbacks = (id: string) => viewer.spans(id).filter(({ name }) => name === 'GET /auth/callback');
    await until(() => ids.every((id) => viewer.spans(id).some(({ name }) => name === 'GET /profile')), 'their traces');
    for (const id of ids) assert.equal(callbacks(id).length, 1);
  });
});

describe('a later request', () => {
  it('is a trace of its own, linked to the callback of its sign-in', async () => {
    const visitor = newVisitor();
    await visitor.open(`${system.web}/sign-in?return_to=/whoami`);
    await pick(visitor, system, 'alice');
    await visitor.open(`${system.web}/profile`);
    const shown = /id="reference">([0-9a-f]{32})</.exec(visitor.page.body)?.[1] ?? '';
    await until(() => viewer.spans(shown).some(({ name }) => name === 'GET /profile'), 'the page’s trace');
    const [root] = viewer.spans(shown);
    const callback = viewer.spans(root?.links[0]?.traceId ?? '').find(({ name }) => name === 'GET /auth/callback');
    assert.equal(callback?.spanId, root?.links[0]?.spanId);
  });

  it('that needs consent is what the consent’s own flow links to', async () => {
    const consents = viewer.flows().filter(({ action }) => action === 'consent');
    assert.ok(consents.length > 0);
    const asked = new Set(['GET /whoami', 'GET /graph/me']);
    const nameOf = (link: { traceId: string; spanId: string }) =>
      viewer.spans(link.traceId).find(({ spanId }) => spanId === link.spanId)?.name ?? '';
    // The services export apart: a trace's first span may be the last to arrive.
    const linksToIt = (traceId: string) =>
      viewer.spans(traceId)[0]?.links.some((link) => asked.has(nameOf(link))) ?? false;
    await until(() => consents.every(({ traceId }) => linksToIt(traceId)), 'the requests that asked for them');
  });

  it('believes no trace context from outside', async () => {
    const traceId = 'a'.repeat(32);
    const traceparent = `00-${traceId}-${'b'.repeat(16)}-01`;
    await newVisitor().send(`${system.web}/`, { headers: { traceparent, baggage: 'canary=1' } });
    await newVisitor().send(`${system.web}/sign-in`, { headers: { traceparent } });
    assert.deepEqual(viewer.spans(traceId), []);
  });
});

describe('what leaves the services', () => {
  const { attributes, metrics, spans: spanNames } = allSignals();
  const everySpan = () => viewer.flows().flatMap(({ traceId }) => viewer.spans(traceId));

  it('is named in the registries: every span, every attribute, every closed value', () => {
    for (const span of everySpan()) {
      const registered = span.name in spanNames || span.kind === 'server' || span.kind === 'client';
      assert.ok(registered, `span ${span.name}`);
      for (const [name, value] of Object.entries(span.attributes)) {
        const { values } = attributes[name] ?? {};
        assert.ok(attributes[name], `attribute ${name}`);
        assert.ok(!values || values.includes(String(value)), `${name} = ${value}`);
      }
    }
  });

  it('is measured under registered names, and nothing registered for every sign-in is missing', async () => {
    const named = /(?<![\w.])(?:onbehalf|http|nodejs|v8js)\.[a-z0-9_.]+/g;
    const sent = () => exports.filter(({ signal }) => signal === 'metrics').map(({ body }) => body.toString('latin1'));
    // Every counter is sent from the start, at 0.
    const seldom = ['onbehalf.credential.remaining', 'onbehalf.token.lease.wait.duration'];
    const expected = Object.keys(metrics).filter((name) => !seldom.includes(name));
    await until(() => expected.every((name) => sent().some((text) => text.includes(name))), 'all metrics');
    const unknown = new Set(sent().flatMap((text) => text.match(named) ?? []));
    for (const name of [...Object.keys(metrics), ...Object.keys(attributes)]) unknown.delete(name);
    assert.deepEqual([...unknown], []);
  });

  it('holds no code, state, nonce, cookie, token, assertion, key or person', async () => {
    const text = exports.map(({ body }) => body.toString('latin1')).join('\n');
    const seen = new Set<string>();
    for (const { url, headers } of visitors.flatMap(({ answers }) => answers)) {
      for (const cookie of headers['set-cookie'] ?? []) seen.add(cookie.split(/[=;]/)[1] ?? '');
      for (const address of [url, new URL(headers.location ?? '/', url)]) {
        for (const name of ['code', 'state', 'nonce', 'code_challenge', 'login_hint', 'logout_hint', 'sid']) {
          for (const value of address.searchParams.getAll(name)) seen.add(value);
        }
      }
    }
    for (const { oid, upn, name } of builtInSeed.users) for (const value of [oid, upn, name]) seen.add(value);
    for (const { key } of await dumpRedis(system)) seen.add(key.slice(system.redisPrefix.length));
    const secrets = [...seen].filter((value) => value.length >= 8);
    assert.ok(secrets.length > 500, 'the visitors saw too little to prove anything');
    for (const secret of secrets) {
      const spellings = [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64url').slice(0, -2)];
      for (const spelling of spellings)
        assert.ok(!text.includes(spelling), `a secret was exported: ${spelling.slice(0, 6)}…`);
    }
    assert.doesNotMatch(text, tokenHead);
    // Long enough that random bytes do not look like one.
    assert.deepEqual(text.match(/[a-z][\w.+-]{2,}@[a-z][\w-]{2,}\.[a-z]{2,}/gi) ?? [], []);
  });
});
