import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { helm, helmBinary } from './helm.ts';
import { read, root } from './repository.ts';

const run = promisify(execFile);

describe('a release of the charts', () => {
  let folder: string;
  let packages: string[];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'release-'));
    const path = [dirname(await helmBinary()), process.env.PATH].join(delimiter);
    const args = ['registry.example.com/onbehalf', 'v1.2.3', folder];
    const { stdout } = await run(join(root, 'charts/release.sh'), args, {
      env: { ...process.env, PATH: path },
      timeout: 120_000,
    });
    packages = stdout.trim().split('\n');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const packageOf = (chart: string) =>
    packages.find((path) => path.endsWith(`/${chart}-1.2.3.tgz`)) ?? assert.fail(chart);
  /** The images that a scenario renders without its own word on where they are. */
  async function imagesOf(chart: string, file: string): Promise<string[]> {
    const values = parse(await read(`charts/${chart}/ci/${file}`));
    delete values.global.image;
    const stated = join(folder, `${chart}.yaml`);
    await writeFile(stated, stringify(values));
    const rendered = await helm(['template', chart, packageOf(chart), '-f', stated]);
    return [...new Set([...rendered.matchAll(/^\s+image: "?([^"\s]+)"?$/gm)].map(([, image = '']) => image))].sort();
  }

  it('holds every chart, by the tag’s version', () => {
    assert.deepEqual(
      packages.map((path) => path.slice(folder.length + 1)),
      ['web-frontend', 'token-broker', 'downstream-api', 'onbehalf', 'dev'].map((chart) => `${chart}-1.2.3.tgz`),
    );
  });

  it('points at its own images without a value', async () => {
    assert.deepEqual(
      await imagesOf('onbehalf', 'facts-values.yaml'),
      ['downstream-api', 'token-broker', 'web-frontend'].map((name) => `registry.example.com/onbehalf/${name}:v1.2.3`),
    );
    const dev = await imagesOf('dev', 'load-values.yaml');
    const ours = dev.filter((image) => image.startsWith('registry.example.com'));
    assert.deepEqual(
      ours,
      ['entra-emulator', 'load', 'trace-viewer'].map((name) => `registry.example.com/onbehalf/dev/${name}:v1.2.3`),
    );
  });

  it('says to Artifact Hub what it is', async () => {
    for (const chart of ['web-frontend', 'token-broker', 'downstream-api', 'onbehalf', 'dev']) {
      const { annotations, keywords } = parse(await read(`charts/${chart}/Chart.yaml`));
      assert.equal(annotations['artifacthub.io/license'], 'MIT', chart);
      assert.equal(annotations['artifacthub.io/category'], 'security', chart);
      assert.ok(keywords.length > 0, chart);
    }
  });
});
