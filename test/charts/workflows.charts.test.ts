import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { suites } from '../../tools/run/suites.ts';
import { development, exists, production, read, root } from './repository.ts';

type Job = {
  permissions?: object;
  'timeout-minutes'?: number;
  steps: { uses?: string; run?: string }[];
  needs?: string | string[];
  strategy?: { matrix: { part?: string[]; include?: { image: string; service: string }[] } };
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

  it('run every suite in a job of its own, and require all jobs by one', () => {
    const jobs = workflows.find(({ name }) => name === 'ci.yml')?.workflow.jobs ?? {};
    const parts = jobs.part?.strategy?.matrix.part;
    const alone = Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap(({ run = '' }) => /^\.ci\/in-debian (\w+)$/.exec(run)?.[1] ?? []),
    );
    assert.deepEqual([...(parts ?? []), ...alone].sort(), ['check', ...suites.map(({ name }) => name)].sort());
    const { required, ...others } = jobs;
    assert.deepEqual(required?.needs, Object.keys(others));
    assert.deepEqual(
      required?.steps.map(({ run }) => run),
      [
        `test "$RESULTS" = "${Object.keys(others)
          .map(() => 'success')
          .join(' ')}"`,
      ],
    );
  });

  it('publish every npm package with provenance, and only where a token or a trusted publisher is set', async () => {
    const release = workflows.find(({ name }) => name === 'release.yml')?.workflow;
    const { packages, images } = release?.jobs ?? {};
    assert.deepEqual([packages?.needs, packages?.permissions], ['check', images?.permissions]);
    const step = packages?.steps.find(({ run = '' }) => run.includes('npm publish'));
    const folder = await mkdtemp(join(tmpdir(), 'release-'));
    await writeFile(join(folder, 'npm'), '#!/bin/sh\necho "token=$NODE_AUTH_TOKEN $*"\n', { mode: 0o700 });
    await mkdir(join(folder, 'out/packages'), { recursive: true });
    for (const name of ['node', 'emulator']) await writeFile(join(folder, 'out/packages', `${name}.tgz`), '');
    const publish = async (env: Record<string, string>) => {
      const given = { NPM_TRUSTED: '', NODE_AUTH_TOKEN: '', ...env, PATH: `${folder}:${process.env.PATH}` };
      const { stdout } = await promisify(execFile)('bash', ['-ec', step?.run ?? 'false'], { cwd: folder, env: given });
      return stdout.trim().split('\n');
    };
    const published = (token: string) =>
      ['emulator', 'node'].map(
        (name) => `token=${token} publish out/packages/${name}.tgz --access public --provenance`,
      );
    assert.deepEqual(await publish({ NODE_AUTH_TOKEN: 'secret' }), published('secret'));
    assert.deepEqual(await publish({ NPM_TRUSTED: 'true', NODE_AUTH_TOKEN: 'old' }), published(''));
    assert.match((await publish({})).join(), /nothing is published/);
    await rm(folder, { recursive: true });
  });

  it('release development parts apart from the production services', () => {
    const release = workflows.find(({ name }) => name === 'release.yml')?.workflow;
    const images = release?.jobs.images?.strategy?.matrix.include ?? [];
    assert.deepEqual(
      images.map(({ image }) => image),
      [...production, 'sidecar', ...[...development, 'load'].map((service) => `dev/${service}`)],
    );
    for (const { image, service } of images) assert.equal(image.replace('dev/', ''), service);
  });
});
