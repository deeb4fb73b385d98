import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { openSystem } from '../../../test/kit/system/open.ts';
import { apiScope } from '../../../test/kit/system/registrations.ts';
import type { System } from '../../../test/kit/system/system.ts';

const run = promisify(execFile);
const script = 'tools/load/k6/token.js';

/** Runs the script's setup and some iterations, as k6 would; gives its options. */
async function runScript(env: Record<string, string>, iterations: number): Promise<Record<string, unknown>> {
  const program = `const { options, setup, exchange } = await import('./${script}');
    const data = ${iterations} > 0 && setup();
    for (let n = 0; n < ${iterations}; n++) exchange(data);
    console.log(JSON.stringify(options));`;
  const args = ['--import', './tools/load/k6/in-node.mjs', '--input-type=module', '-e', program];
  const { stdout } = await run(process.execPath, args, { env: { PATH: process.env.PATH, ...env }, timeout: 60_000 });
  return JSON.parse(stdout);
}

describe('the k6 script', () => {
  let system: System;
  let env: Record<string, string>;
  before(async () => {
    system = await openSystem({ name: 'k6', brokers: 1, people: 3 });
    await system.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
    const account = { namespace: 'onbehalf', name: 'web', audience: 'token-broker' };
    env = {
      ...{
        BROKER_URL: system.brokers[0]?.url ?? '',
        ENTRA_URL: system.emulator.browserOrigin,
        USERS: '3',
        SCOPE: apiScope,
      },
      ASSERTION_FILE: await system.cluster.mountToken(account),
    };
  });
  after(() => system.close());

  it('signs people in and exchanges their sessions in turn: as many calls as people', async () => {
    await system.admin('DELETE', '/counters');
    await runScript(env, 6);
    // A code for each, and an access token of the API for each.
    assert.equal(await system.calls('authorization_code'), 3);
    assert.equal(await system.calls(), 6);
  });

  it('arrives at a constant rate and fails if k6 could not send a request', async () => {
    const options = await runScript({ ...env, RATE: '700', DURATION_SECONDS: '90' }, 0);
    const { exchange } = options.scenarios as Record<string, Record<string, unknown>>;
    assert.equal(exchange?.executor, 'constant-arrival-rate');
    assert.deepEqual([exchange?.rate, exchange?.timeUnit, exchange?.duration], [700, '1s', '90s']);
    assert.deepEqual((options.thresholds as Record<string, string[]>).dropped_iterations, ['count==0']);
  });

  for (const [name, value] of [
    ['BROKER_URL', 'https://broker.example.com'],
    ['BROKER_URL', 'http://token-broker.onbehalf.svc.example.com:8080'],
    ['ENTRA_URL', 'https://login.microsoftonline.com'],
    ['RATE', '10001'],
    ['DURATION_SECONDS', '481'],
  ] as const) {
    it(`refuses ${name}=${value}`, async () => {
      await assert.rejects(runScript({ ...env, [name]: value }, 0), new RegExp(`${name} must be`));
    });
  }

  it('stops after one token that is not the emulator’s', async () => {
    await using other = await openSystem({ name: 'k6-other', brokers: 0, people: 3 });
    await other.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
    await system.admin('DELETE', '/counters');
    // Its codes are not known at the broker's Entra: no session, no token, no second try.
    await assert.rejects(runScript({ ...env, ENTRA_URL: other.emulator.browserOrigin }, 1));
    assert.equal(await system.calls(), 1);
  });
});

const pod = z.strictObject({
  image: z
    .string()
    .regex(/:\d+\.\d+\.\d+$/)
    .optional(),
  serviceAccountName: z.literal('onbehalf-load').optional(),
  automountServiceAccountToken: z.literal('false'),
  metadata: z.strictObject({ labels: z.record(z.string(), z.string()) }).optional(),
  affinity: z.object({}).optional(),
  securityContext: z.object({
    runAsNonRoot: z.literal(true),
    seccompProfile: z.object({ type: z.literal('RuntimeDefault') }),
  }),
  containerSecurityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  resources: z.strictObject({ requests: z.object({}), limits: z.object({}) }),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })).optional(),
  volumes: z.array(z.looseObject({ name: z.string() })).optional(),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).optional(),
});

/** The fields of TestRun's CRD (k6-operator, api/v1alpha1) that are in use here; the API server refuses unknown ones. */
const testRunSchema = z.strictObject({
  apiVersion: z.literal('k6.io/v1alpha1'),
  kind: z.literal('TestRun'),
  metadata: z.strictObject({ name: z.string(), namespace: z.string() }),
  spec: z.strictObject({
    parallelism: z.int().positive(),
    separate: z.boolean(),
    script: z.strictObject({ configMap: z.strictObject({ name: z.string(), file: z.literal('token.js') }) }),
    ...{ initializer: pod, runner: pod, starter: pod },
  }),
});

describe('the k6-operator TestRun', async () => {
  const documents = parseAllDocuments(await readFile('tools/load/k6/testrun.yaml', 'utf8'), {
    merge: true,
  });
  const [testRun, policy] = documents.map((document) => document.toJS());

  it('has known fields only, confined pods, and every setting that the script reads', async () => {
    const { spec } = testRunSchema.parse(testRun);
    const given = spec.runner.env?.map(({ name }) => name) ?? [];
    const text = await readFile(script, 'utf8');
    for (const name of given) assert.match(text, new RegExp(`'${name}'|__ENV\\.${name}\\b`), name);
    for (const name of ['BROKER_URL', 'ENTRA_URL', 'ASSERTION_FILE']) assert.ok(given.includes(name), name);
    assert.doesNotThrow(() => new NetworkPolicy(policy).validate());
  });

  it('carries the labels that policies let in', () => {
    const { labels } = testRunSchema.parse(testRun).spec.runner.metadata ?? assert.fail('no labels');
    assert.equal(labels['app.kubernetes.io/name'], 'load');
    assert.equal(labels['app.kubernetes.io/component'], 'test');
  });
});
