import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFile(join(root, path), 'utf8');
const exists = (path: string) =>
  stat(join(root, path)).then(
    () => true,
    () => false,
  );

const production = ['web-frontend', 'token-broker', 'downstream-api'];
const development = ['entra-emulator', 'trace-viewer'];

/** The words of skaffold/v4beta14 that are in use here; Skaffold itself refuses unknown ones. */
const artifact = z.strictObject({
  image: z.string(),
  docker: z.strictObject({ dockerfile: z.string(), buildArgs: z.strictObject({ SERVICE: z.string() }) }),
});
const release = z.strictObject({
  name: z.string(),
  chartPath: z.string(),
  namespace: z.string(),
  createNamespace: z.boolean().optional(),
  dependsOn: z.array(z.string()).optional(),
  wait: z.boolean(),
  valuesFiles: z.array(z.string()),
  setValueTemplates: z.record(z.string(), z.string()),
});
const skaffoldSchema = z.strictObject({
  apiVersion: z.literal('skaffold/v4beta14'),
  kind: z.literal('Config'),
  metadata: z.strictObject({ name: z.string() }),
  build: z.strictObject({
    tagPolicy: z.strictObject({ inputDigest: z.strictObject({}) }),
    local: z.strictObject({ useBuildkit: z.literal(true) }),
    artifacts: z.array(artifact),
  }),
  verify: z.array(
    z.strictObject({
      name: z.string(),
      container: z.strictObject({ name: z.string(), image: z.string(), args: z.array(z.string()) }),
      executionMode: z.strictObject({ kubernetesCluster: z.strictObject({ jobManifestPath: z.string() }) }),
    }),
  ),
  profiles: z.array(
    z.strictObject({
      name: z.string(),
      activation: z.array(z.strictObject({ kubeContext: z.string() })).optional(),
      patches: z.array(z.strictObject({ op: z.literal('add'), path: z.string(), value: z.unknown() })).optional(),
      build: z
        .strictObject({ tagPolicy: z.strictObject({ gitCommit: z.strictObject({}) }), platforms: z.array(z.string()) })
        .optional(),
      deploy: z
        .strictObject({
          helm: z.strictObject({
            hooks: z
              .strictObject({
                before: z.array(z.strictObject({ host: z.strictObject({ command: z.array(z.string()) }) })),
              })
              .optional(),
            releases: z.array(release),
          }),
        })
        .optional(),
      portForward: z
        .array(
          z.strictObject({
            resourceType: z.literal('service'),
            resourceName: z.string(),
            namespace: z.string(),
            port: z.int(),
            localPort: z.int(),
          }),
        )
        .optional(),
    }),
  ),
});

describe('skaffold.yaml', async () => {
  const skaffold = skaffoldSchema.parse(parse(await read('skaffold.yaml')));
  const profile = (name: string) => skaffold.profiles.find((one) => one.name === name);
  const releases = (name: string) => profile(name)?.deploy?.helm.releases ?? [];

  it('builds each service from the one Dockerfile, development parts in kind only', () => {
    assert.deepEqual(
      skaffold.build.artifacts.map(({ image }) => image),
      production,
    );
    const added = profile('kind')?.patches?.map(({ value }) => artifact.parse(value)) ?? [];
    assert.deepEqual(
      added.map(({ image }) => image),
      development,
    );
    for (const { image, docker } of [...skaffold.build.artifacts, ...added]) {
      assert.deepEqual(docker, { dockerfile: 'docker/Dockerfile', buildArgs: { SERVICE: image } });
    }
  });

  it('names files, charts and releases that exist', async () => {
    for (const { name } of skaffold.profiles) {
      for (const { chartPath, valuesFiles, dependsOn = [] } of releases(name)) {
        assert.ok(await exists(join(chartPath, 'Chart.yaml')), chartPath);
        // A deployer's own facts.
        for (const file of valuesFiles.filter((file) => file !== 'my-values.yaml')) assert.ok(await exists(file), file);
        for (const other of dependsOn)
          assert.ok(
            releases(name).some((one) => one.name === other),
            other,
          );
      }
    }
    for (const { host } of profile('kind')?.deploy?.helm.hooks?.before ?? [])
      assert.ok(await exists(host.command[0] ?? ''));
    for (const { executionMode } of skaffold.verify)
      assert.ok(await exists(executionMode.kubernetesCluster.jobManifestPath));
  });

  it('gives each image it builds to one release', () => {
    for (const [name, images] of [
      ['kind', [...production, ...development]],
      ['aks', production],
    ] as const) {
      const templates = releases(name).flatMap(({ setValueTemplates }) => Object.values(setValueTemplates));
      const wanted = images.flatMap((image) =>
        ['REPO', 'TAG'].map((part) => `{{.IMAGE_${part}_${image.replaceAll('-', '_')}}}`),
      );
      assert.deepEqual([...templates].sort(), wanted.sort());
    }
  });

  it('cannot bring development parts to AKS: the context decides', () => {
    assert.deepEqual(profile('kind')?.activation, [{ kubeContext: 'kind-.*' }]);
    assert.ok(!releases('aks').some(({ chartPath }) => chartPath === 'charts/dev'));
  });
});

describe('docker/', () => {
  it('builds with a Docker of Debian 12: no frontend line, heredoc, linked copy, network or platform', async () => {
    const text = await read('docker/Dockerfile');
    assert.doesNotMatch(text, /^# *syntax=|<<-?["']?\w|COPY --link|RUN --network|BUILDPLATFORM|--start-interval/m);
    const runtime = text.slice(text.lastIndexOf('\nFROM '));
    assert.doesNotMatch(runtime, /^RUN /m);
    assert.match(runtime, /^USER 65532:65532$/m);
    assert.match(runtime, /^ENTRYPOINT \["/m);
    assert.match(runtime, /^CMD \["/m);
    for (const [, base = ''] of text.matchAll(/^FROM (\S+)/gm)) assert.match(base, /^\$\{(NODE|RUNTIME)_IMAGE\}$/);
  });

  it('sends manifests and services to the builder, and nothing else', async () => {
    const lines = (await read('.dockerignore')).trim().split('\n');
    assert.deepEqual(lines.slice(0, 3), ['*', '!package*.json', '!services']);
    for (const line of ['**/node_modules', '**/*.test.ts']) assert.ok(lines.includes(line), line);
  });

  it('confines every container of compose.yaml', async () => {
    type Service = {
      read_only: boolean;
      cap_drop: string[];
      user: string;
      mem_limit: string;
      security_opt: string[];
      image: string;
    };
    const { services } = parse(await read('docker/compose.yaml'), { merge: true }) as {
      services: Record<string, Service>;
    };
    assert.ok(Object.keys(services).length >= 7);
    for (const [name, service] of Object.entries(services)) {
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.cap_drop, ['ALL'], name);
      assert.equal(service.user, '65532:65532', name);
      assert.ok(service.mem_limit, name);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
      assert.match(service.image, /^\$\{/, name);
    }
  });
});

type Job = {
  permissions?: object;
  'timeout-minutes'?: number;
  steps: { uses?: string; run?: string }[];
  strategy?: { matrix: { service: string[] } };
};
type Workflow = { on: object; permissions: object; jobs: Record<string, Job> };

describe('.github/workflows', async () => {
  const names = await readdir(join(root, '.github/workflows'));
  const texts = new Map(
    await Promise.all(names.map(async (name) => [name, await read(`.github/workflows/${name}`)] as const)),
  );
  const workflows = [...texts].map(([name, text]) => ({ name, workflow: parse(text) as Workflow }));

  it('grant nothing on top, and each job its own with a time limit', () => {
    for (const { name, workflow } of workflows) {
      assert.deepEqual(workflow.permissions, {}, name);
      for (const job of Object.values(workflow.jobs)) {
        assert.ok(job.permissions, name);
        assert.ok(job['timeout-minutes'], name);
      }
    }
  });

  it('pin every action by commit, with its tag beside', () => {
    for (const [name, text] of texts) {
      for (const [line] of text.matchAll(/.*\buses:.*/g)) {
        assert.match(line, /uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, `${name}: ${line.trim()}`);
      }
    }
  });

  it('never run for strangers with rights, nor put an event’s text into a script', () => {
    for (const { name, workflow } of workflows) {
      assert.ok(!Object.keys(workflow.on).includes('pull_request_target'), name);
      for (const { steps } of Object.values(workflow.jobs)) {
        for (const { run = '' } of steps) assert.doesNotMatch(run, /\$\{\{/, name);
      }
    }
  });

  it('name files that exist', async () => {
    for (const [name, text] of texts) {
      for (const [path] of text.matchAll(/(?:^|[\s"])(?:\.ci|charts|docker)\/[\w./-]+(?=[\s"]|$)/gm)) {
        assert.ok(await exists(path.trim().replace(/^"/, '')), `${name}: ${path}`);
      }
    }
  });

  it('release the production services alone', () => {
    const release = workflows.find(({ name }) => name === 'release.yml')?.workflow;
    assert.deepEqual(release?.jobs.images?.strategy?.matrix.service, production);
    assert.doesNotMatch(texts.get('release.yml') ?? '', new RegExp(development.join('|')));
  });
});
