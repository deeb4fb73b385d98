import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { resultSchema } from '../load/result.ts';
import { type Bases, buildImages, buildLoadImage, confined, development, loadImage, production } from './build.ts';
import { provideCompose } from './compose.ts';
import { openDemo } from './demo.ts';
import { type Engine, openEngine } from './engine.ts';

const run = promisify(execFile);
const composeFile = join(import.meta.dirname, '../../docker/compose.yaml');

describe('the load generator in a container', () => {
  let engine: Engine;
  let bases: Bases;
  before(async () => {
    engine = await openEngine();
    bases = (await buildImages(engine, [...production, ...development])).bases;
    await buildLoadImage(engine);
  });
  after(() => engine[Symbol.asyncDispose]());

  it('says what it can do, confined and as nobody', async () => {
    assert.match(await engine.docker('run', '--rm', ...confined, loadImage), /^npm run load -- \[scenario/);
    const [inspection] = JSON.parse(await engine.docker('inspect', loadImage));
    assert.equal(inspection.Config.User, '65532:65532');
    console.log(`load: ${(inspection.Size / 1e6).toFixed(0)} MB`);
  });

  it('is in no other image', async () => {
    const look = "console.log(require('fs').existsSync('/app/test'))";
    for (const service of production)
      assert.equal(await engine.docker('run', '--rm', `onbehalf/${service}:dev`, '-e', look), 'false');
  });

  it('loads the demo’s broker by its profile', async () => {
    await using demo = await openDemo(engine, bases, 'onbehalf-load');
    const args = ['-p', demo.project, '-f', composeFile, '--profile', 'load', 'run', '--rm', '--no-deps', 'load'];
    const load = ['cold', '--rate', '5', '--users', '20', '--duration', '4', '--replicas', '1', '--quick'];
    const env = { PATH: process.env.PATH, DOCKER_HOST: engine.host, WEB_PORT: String(demo.webPort) };
    // Half a core a container judges nothing: what counts is that everybody got a token, and their own.
    const ended = await run(await provideCompose(), [...args, ...load], { env, timeout: 120_000 }).catch(
      (error) => error,
    );
    const line = String(ended.stdout).trimEnd().split('\n').at(-1) ?? '';
    assert.match(line, /^\{"version"/, ended.stderr);
    const [first] = resultSchema.parse(JSON.parse(line)).runs;
    const { requests, errors, foreign } = first?.totals ?? {};
    assert.deepEqual({ requests, errors, foreign }, { requests: 20, errors: 0, foreign: 0 });
  });
});
