import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { SourceMap } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { bundle } from './bundle.ts';

/** Each service with words of its main.ts that stand in the bundle too: of code only few, for a line may end in them. */
const services = {
  'token-broker': 'token-broker starts',
  'web-frontend': 'started',
  'downstream-api': 'entra.allowedClients.length',
  sidecar: 'serving this pod',
  'entra-emulator': 'entra-emulator',
  'trace-viewer': 'shows what is sent to',
};

type Ended = { code: number; output: string };

/** Runs a file without any configuration, far from the repository. */
const run = (path: string): Promise<Ended> =>
  new Promise((resolve) => {
    const options = { cwd: tmpdir(), env: { HTTP_PORT: 'none' }, timeout: 30_000 };
    execFile(process.execPath, [path], options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    );
  });

describe('the bundle of a service', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bundle-'));
    for (const service of Object.keys(services)) await bundle(service, join(folder, service));
  });
  after(() => rm(folder, { recursive: true }));
  const text = (path: string) => readFile(join(folder, path), 'utf8');

  it('starts without a package beside it, and names what it is not told', async () => {
    for (const service of Object.keys(services)) {
      const { code, output } = await run(join(folder, service, 'dist/main.js'));
      assert.equal(code, 1, `${service}: ${output.slice(-2_000)}`);
      assert.match(output, /^ *HTTP_PORT: /m, service);
      assert.equal((await run(join(folder, service, 'dist/telemetry.js'))).code, 0, service);
    }
  });

  it('knows the lines of its TypeScript, and of no package', async () => {
    for (const [service, words] of Object.entries(services)) {
      const main = `services/${service}/src/main.ts`;
      const built = (await text(`${service}/dist/main.js`)).split('\n');
      const map = JSON.parse(await text(`${service}/dist/main.js.map`));
      const at = built.findLastIndex((line) => line.includes(words));
      const { originalSource, originalLine = -1 } = new SourceMap(map).findEntry(
        at,
        built[at]?.lastIndexOf(words) ?? -1,
      ) as { originalSource?: string; originalLine?: number };
      assert.equal(originalSource, main);
      assert.ok(
        (await readFile(main, 'utf8')).split('\n')[originalLine]?.includes(words),
        `${service} ${originalLine}`,
      );
      assert.deepEqual(
        map.sources.filter((source: string) => !/^(services|packages)\//.test(source)),
        [],
      );
    }
  });

  it('keeps of packages their manifests and licences, and no code', async () => {
    for (const service of Object.keys(services)) {
      const kept = globSync('**/*.*', { cwd: join(folder, service, 'node_modules') });
      assert.deepEqual(
        kept.filter((path) => /\/[^/]+\.[cm]?[jt]s$/.test(path)),
        [],
        service,
      );
      const packages = globSync('**/package.json', { cwd: join(folder, service, 'node_modules') });
      assert.ok(packages.length > 2, service);
    }
    assert.ok(existsSync(join(folder, 'token-broker/node_modules/@azure/msal-node/LICENSE')));
    assert.ok(!existsSync(join(folder, 'downstream-api/node_modules/@azure')));
  });

  it('has the English messages of zod alone', async () => {
    const built = await text('token-broker/dist/main.js');
    assert.match(built, /Invalid input: expected/);
    assert.doesNotMatch(built, /Ungültige Eingabe/);
  });

  it('is ASCII: one other character, and each of a file would be held in two bytes', async () => {
    for (const service of Object.keys(services))
      for (const file of globSync(`${service}/dist/*.js`, { cwd: folder }))
        assert.deepEqual((await text(file)).match(/.{0,40}\P{ASCII}.{0,40}/gu) ?? [], [], file);
  });
});
