import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { readOptions } from '../../services/load-generator/src/options.ts';
import { clientsSchema } from '../../services/token-broker/src/clients/clients.ts';
import { read } from './repository.ts';

describe('docker/', () => {
  for (const path of ['docker/Dockerfile', 'docker/load.Dockerfile']) {
    it(`builds ${path} with a Docker of Debian 12: no frontend line, heredoc, linked copy, network or platform`, async () => {
      const text = await read(path);
      assert.doesNotMatch(text, /^# *syntax=|<<-?["']?\w|COPY --link|RUN --network|BUILDPLATFORM|--start-interval/m);
      const runtime = text.slice(text.lastIndexOf('\nFROM '));
      assert.doesNotMatch(runtime, /^RUN /m);
      assert.match(runtime, /^USER 65532:65532$/m);
      assert.match(runtime, /^ENTRYPOINT \["/m);
      assert.match(runtime, /^CMD \["/m);
      for (const [, base = ''] of text.matchAll(/^FROM (\S+)/gm)) assert.match(base, /^\$\{(NODE|RUNTIME)_IMAGE\}$/);
    });
  }

  it('sends manifests, services and what bundles them to the builder, and nothing else', async () => {
    const lines = (await read('.dockerignore')).trim().split('\n');
    const sent = ['*', '!package*.json', '!packages', '!services', '!docker', 'docker/*', '!docker/bundle'];
    assert.deepEqual(lines.slice(0, 7), sent);
    for (const line of ['**/node_modules', '**/*.test.ts']) assert.ok(lines.includes(line), line);
  });

  it('shows test/ and tools/ to no image', async () => {
    for (const path of [
      '.dockerignore',
      'docker/Dockerfile',
      'docker/load.Dockerfile',
      '.github/workflows/release.yml',
    ])
      assert.doesNotMatch(await read(path), /^!(test|tools)|COPY (test|tools)/m, path);
  });

  it('loads by a profile: a client of the broker with a file and options that are there', async () => {
    type Load = { profiles: string[]; entrypoint: string[]; command: string[] };
    const { services } = parse(await read('docker/compose.yaml'), { merge: true }) as { services: { load: Load } };
    const { profiles, entrypoint, command } = services.load;
    assert.deepEqual(profiles, ['load']);
    const [, file = '', ...args] = entrypoint.map((word) => word.replace(/\$\{WEB_PORT:-(\d+)\}/, '$1'));
    assert.ok((await read(file.replace('/app/', ''))).length > 0);
    const options = readOptions([...args, ...command]);
    assert.deepEqual(options.names, ['l1']);
    const clients = clientsSchema.parse(
      JSON.parse((await read('docker/clients.json')).replaceAll('PUBLIC_BASE_URL', 'http://localhost:3000')),
    );
    const account = /onbehalf\/([^/]+)\/token-broker$/.exec(options['assertion-file'] ?? '')?.[1];
    assert.deepEqual(clients.load?.subjects, [`system:serviceaccount:onbehalf:${account}`]);
    assert.match(await read('test/images/cluster-main.ts'), new RegExp(`'${account}'`));
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

  it('and kind name tenants and apps that the emulator has', async () => {
    const seed = await read('services/entra-emulator/src/directory/seed.json');
    const kind = ['onbehalf', 'web-frontend', 'token-broker', 'downstream-api'].map(
      (chart) => `charts/${chart}/ci/kind-values.yaml`,
    );
    for (const path of ['docker/compose.yaml', 'docker/clients.json', 'charts/dev/verify-job.yaml', ...kind]) {
      const ids = (await read(path)).match(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? [];
      assert.ok(ids.length > 0, path);
      for (const id of ids) assert.ok(seed.includes(id), `${path}: ${id}`);
    }
  });
});
