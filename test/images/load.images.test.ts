import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { buildImages, buildLoadImage, confined, loadImage, production } from './build.ts';
import { type Engine, openEngine } from './engine.ts';

describe('the load generator in a container', () => {
  let engine: Engine;
  before(async () => {
    engine = await openEngine();
    await buildImages(engine, production);
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
    const look = "console.log(require('fs').existsSync('/app/services/load-generator'))";
    for (const service of production)
      assert.equal(await engine.docker('run', '--rm', `onbehalf/${service}:dev`, '-e', look), 'false');
  });
});
