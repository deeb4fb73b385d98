import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { answers, startChild } from '../child.ts';
import { apiScope, type Fleet, grants, openFleet } from '../fleet.ts';
import { freePort } from '../ports.ts';
import { inProcess, type Row } from './in-process.ts';
import { difference, median, ratio, rounds, type Subject } from './slices.ts';
import type { StockSetup } from './stock.ts';

const help = `npm run bench -- [--rounds N] [--json FILE]

Measures what a token costs beside bare node:http, bare Express and MSAL Node with its DistributedCachePlugin, all in
one run: CPU per request, medians of interleaved rounds. Exit 0 only if every target is met.
  --rounds N   rounds of one-second slices, default 14
  --json FILE  writes the figures there
`;

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '14' }, json: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const roundCount = Number(values.rounds);
const connections = 32;
const say = (line: string) => process.stdout.write(`${line}\n`);

await using stack = new AsyncDisposableStack();
const fleet = stack.use(
  await openFleet({
    name: 'bench',
    brokers: 1,
    env: { LOG_LEVEL: 'info', SESSION_RATE: '1000000', CALLERS_RATE: '1000000' },
  }),
);
const sink = createServer((req, res) => void req.resume().on('end', () => res.end('{}'))).listen(0, '127.0.0.1');
await once(sink, 'listening');
stack.defer(() => void sink.close().closeAllConnections());
const endpoint = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
fleet.brokers.push(
  await fleet.startBroker({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: 'always_on' }),
);

const session = await fleet.signIn('alice');
const assertion = await fleet.cluster.mint({ namespace: 'onbehalf', name: 'web', audience: 'token-broker' });
const tokenForm = (subjectToken: string) =>
  new URLSearchParams({
    grant_type: grants.exchange,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
    subject_token: subjectToken,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    scope: apiScope,
  }).toString();

const pair = [brokerSubject(fleet, 0, 'broker L1'), brokerSubject(fleet, 1, 'broker L1, traced')];
const subjects: Subject[] = [
  await hello('hello-node'),
  await hello('hello-express'),
  ...pair,
  ...(await stockSubjects(fleet)),
];
say(`${cpus().length} cores, ${cpus()[0]?.model ?? ''}, node ${process.version}, ${connections} connections`);
for (const subject of subjects) await rounds([subject], { rounds: 1, connections, sliceMs: 1_500, progress() {} });
const results = await rounds(subjects, {
  rounds: roundCount,
  connections,
  sliceMs: 1_000,
  progress: (round) => process.stderr.write(`\rround ${round + 1} of ${roundCount} `),
});
process.stderr.write('\r');
// A difference of two like numbers wants a quieter measure than a ratio of unlike ones: many short slices, side by side.
const pairs = await rounds(pair, {
  rounds: roundCount * 6,
  connections,
  sliceMs: 250,
  progress: (round) => process.stderr.write(`\rtelemetry, pair ${round + 1} of ${roundCount * 6} `),
});
process.stderr.write('\r'.padEnd(40).concat('\r'));
const cpu = (name: string) => (results.get(name) ?? []).map((one) => one.cpuUsPerRequest);
for (const [name, slices] of results) {
  const failed = slices.reduce((sum, one) => sum + one.failed, 0);
  const latency = `p50 ${median(slices.map((one) => one.p50Ms)).toFixed(1)} ms, p99 ${median(slices.map((one) => one.p99Ms)).toFixed(1)} ms`;
  say(
    `${name.padEnd(24)} ${median(cpu(name)).toFixed(0).padStart(5)} us CPU a request, ${latency}${failed ? `, ${failed} FAILED` : ''}`,
  );
}
const rowOf = (name: string, target: string, limit: number, [above, below]: [string, string]): Row => {
  const { median: value, low, high } = ratio(cpu(above), cpu(below));
  return {
    name,
    target,
    limit,
    value,
    low,
    high,
    note: `${median(cpu(above)).toFixed(0)} and ${median(cpu(below)).toFixed(0)} us`,
  };
};
const [untraced = [], traced = []] = pair.map(({ name }) => (pairs.get(name) ?? []).map((one) => one.cpuUsPerRequest));
const telemetry = difference(traced, untraced);
const rows: Row[] = [
  rowOf('L1 hit / hello-express', '1', 1.5, ['broker L1', 'hello-express']),
  rowOf('stock / L1 hit', '2', -7, ['stock', 'broker L1']),
  rowOf('stock without caller check / L1 hit', '2, told', 0, ['stock, no caller check', 'broker L1']),
  {
    name: 'telemetry, us a request',
    target: '9',
    limit: 80,
    value: telemetry.median,
    low: telemetry.low,
    high: telemetry.high,
    note: `${median(traced).toFixed(0)} minus ${median(untraced).toFixed(0)} us, pair by pair`,
  },
  ...(fleet.redis
    ? await inProcess({
        redis: fleet.redis,
        keysDir: join(fleet.stateDir, 'sealing'),
        rounds: roundCount,
        progress: (what) => process.stderr.write(`\r${what.padEnd(60)}`),
      })
    : []),
];
process.stderr.write('\r');

/** A positive limit is the most a value may be, a negative one the least, zero is told only. */
const met = ({ limit, value }: Row) => limit === 0 || (limit > 0 ? value <= limit : value >= -limit);
say('');
for (const row of rows) {
  const bound = row.limit === 0 ? '' : row.limit > 0 ? `<= ${row.limit}` : `>= ${-row.limit}`;
  const figure = `${row.value.toFixed(2)} [${row.low.toFixed(2)} to ${row.high.toFixed(2)}]`;
  say(
    `${met(row) ? 'met   ' : 'MISSED'} ${`target ${row.target}`.padEnd(15)} ${row.name.padEnd(38)} ${figure.padEnd(28)} ${bound.padEnd(8)} ${row.note}`,
  );
}
if (values.json)
  writeFileSync(
    values.json,
    JSON.stringify({ node: process.version, rows, slices: Object.fromEntries(results) }, null, 2),
  );
const judged = rows.filter((row) => row.limit !== 0);
say(`${judged.filter(met).length} of ${judged.length} targets met`);
process.exitCode = judged.every(met) ? 0 : 1;

function brokerSubject({ brokers }: Fleet, index: number, name: string): Subject {
  const { url, child } = brokers[index] ?? { url: '', child: undefined };
  return { name, pid: child?.process.pid ?? 0, request: post(url, '/oauth2/token', tokenForm(session)) };
}

function post(origin: string, path: string, body: string): Subject['request'] {
  return { origin, path, method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } };
}

async function hello(name: string): Promise<Subject> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const args = [`test/load/${name}.ts`, String(port)];
  const child = stack.use(
    await startChild({
      name,
      command: process.execPath,
      args,
      logFile: `out/bench/${name}.log`,
      ready: () => answers(origin),
    }),
  );
  return { name, pid: child.process.pid ?? 0, request: { origin, path: '/', method: 'GET' } };
}

async function stockSubjects({ redis, emulator, cluster, stateDir }: Fleet): Promise<Subject[]> {
  if (!redis) return [];
  const port = await freePort();
  const setup: StockSetup = {
    port,
    authority: `${emulator.origin}/${emulator.ids.tenants.contoso}`,
    clientId: emulator.ids.apps.web,
    clientSecret: 'web-secret',
    redis: { host: redis.host, port: redis.port, password: redis.password },
    callers: { issuer: cluster.issuer, jwksUri: cluster.jwksUri, audience: 'token-broker' },
  };
  const origin = `http://127.0.0.1:${port}`;
  const child = stack.use(
    await startChild({
      name: 'stock',
      command: process.execPath,
      args: ['test/load/stock.ts'],
      env: { PATH: process.env.PATH ?? '', NODE_EXTRA_CA_CERTS: join(stateDir, 'emulator', 'ca.pem') },
      input: JSON.stringify(setup),
      logFile: 'out/bench/stock.log',
      ready: async () => (await fetch(origin)).status === 404,
    }),
  );
  const { fields } = await fleet.startSignIn('bob');
  const signedIn = await fetch(`${origin}/sign-in`, {
    method: 'POST',
    body: new URLSearchParams({ ...fields, scope: apiScope }),
  });
  const { subject_token } = (await signedIn.json()) as { subject_token: string };
  const pid = child.process.pid ?? 0;
  return [
    { name: 'stock', pid, request: post(origin, '/oauth2/token', tokenForm(subject_token)) },
    { name: 'stock, no caller check', pid, request: post(origin, '/oauth2/token?check=off', tokenForm(subject_token)) },
  ];
}
