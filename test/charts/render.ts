import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesObject, V1CronJob, V1Deployment, V1PodSpec, V1PodTemplateSpec } from '@kubernetes/client-node';
import { parseAllDocuments, stringify } from 'yaml';
import { type HelmVersion, helm } from './helm.ts';

export const namespace = 'onbehalf';
/** Helm's own default differs between its versions. */
export const kubeVersion = '1.33.0';

const source = join(import.meta.dirname, '../../charts');
const cache = join(import.meta.dirname, '../../.cache');

/** A copy of charts/ with their dependencies inside, of the caller's own, which goes with its process. */
export async function copyCharts(version: HelmVersion = '4.1.4'): Promise<string> {
  const built = await buildCharts(version);
  const copy = await mkdtemp(join(cache, 'charts-'));
  process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
  await cp(built, copy, { recursive: true });
  return copy;
}

/** What is copied: built once for each state of charts/, leaves first, or the umbrella's copies lack the library. */
async function buildCharts(version: HelmVersion): Promise<string> {
  const files = (await readdir(source, { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile() && !isDependency(join(file.parentPath, file.name)))
    .map((file) => join(file.parentPath, file.name))
    .sort();
  const hash = createHash('sha256').update(version);
  for (const file of files) hash.update(file).update(await readFile(file));
  const built = join(cache, 'charts', hash.digest('hex').slice(0, 16));
  if (existsSync(built)) return built;
  await mkdir(join(cache, 'charts'), { recursive: true });
  const part = await mkdtemp(`${built}.part-`);
  await cp(source, part, { recursive: true, filter: (path) => !isDependency(path) });
  for (const chart of ['web-frontend', 'token-broker', 'downstream-api', 'onbehalf', 'dev'])
    await helm(['dependency', 'build', join(part, chart)], version);
  // Who builds the same at the same time may be first.
  await rename(part, built).catch(() => rm(part, { recursive: true }));
  return built;
}

/** What `helm dependency build` leaves in charts/ itself. */
const isDependency = (path: string) => /\/charts\/[^/]+\/(charts|Chart\.lock)($|\/)/.test(path);

export type Scenario = { chart: string; name: string; release: string; files: string[] };

/** Every ci/*-values.yaml of every chart of a folder; the umbrella's stand on its made-up facts. */
export async function scenarios(charts = source): Promise<Scenario[]> {
  const all: Scenario[] = [];
  for (const chart of ['onbehalf', 'web-frontend', 'token-broker', 'downstream-api', 'dev']) {
    const names = (await readdir(join(charts, chart, 'ci'))).filter((name) => name.endsWith('-values.yaml')).sort();
    for (const file of names) {
      const files = chart === 'onbehalf' ? ['ci/facts-values.yaml', `ci/${file}`] : [`ci/${file}`];
      all.push({ chart, name: `${chart}/${file.replace('-values.yaml', '')}`, release: chart, files });
    }
  }
  return all;
}

type RenderOptions = { version?: HelmVersion; set?: object; release?: string; args?: string[] };

/** `helm template` of a scenario as text; `set` is merged over its values. */
export async function render(charts: string, scenario: Scenario, options: RenderOptions = {}): Promise<string> {
  const { version = '4.1.4', set, release = scenario.release, args = [] } = options;
  const chart = join(charts, scenario.chart);
  const files = scenario.files.map((file) => join(chart, file));
  if (set) {
    const overlay = join(charts, `overlay-${Math.random().toString(36).slice(2)}.yaml`);
    await writeFile(overlay, stringify(set));
    files.push(overlay);
  }
  const values = files.flatMap((file) => ['-f', file]);
  return helm(
    ['template', release, chart, '-n', namespace, '--kube-version', kubeVersion, ...values, ...args],
    version,
  );
}

/** The rendered objects, tests included. */
export function objectsOf(text: string): KubernetesObject[] {
  return parseAllDocuments(text)
    .map((document) => {
      const [fault] = document.errors;
      if (fault) throw fault;
      return document.toJS() as KubernetesObject | null;
    })
    .filter((object) => object !== null);
}

export function ofKind<T extends KubernetesObject>(objects: KubernetesObject[], kind: string): T[] {
  return objects.filter((object) => object.kind === kind) as T[];
}

/** Every pod that some object makes, with that object's name. */
export function podsOf(objects: KubernetesObject[]): { owner: string; spec: V1PodSpec }[] {
  return objects.flatMap((object) => {
    const spec = podSpec(object);
    return spec ? [{ owner: `${object.kind} ${object.metadata?.name}`, spec }] : [];
  });
}

function podSpec(object: KubernetesObject): V1PodSpec | undefined {
  if (object.kind === 'Pod') return (object as unknown as V1PodTemplateSpec).spec;
  if (object.kind === 'CronJob') return (object as V1CronJob).spec?.jobTemplate.spec?.template.spec;
  return (object as V1Deployment).spec?.template?.spec;
}
