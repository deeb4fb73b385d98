import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { development, exists, production, read } from './repository.ts';

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
