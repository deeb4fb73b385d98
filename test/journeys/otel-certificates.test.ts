import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { openCollector } from '../../services/chassis/src/telemetry/collector.fake.ts';
import { runOtel } from '../../services/chassis/src/telemetry/otel.fake.ts';
import { openTls } from '../../services/entra-emulator/src/tokens/tls.ts';

it('spans reach a collector whose authority OTEL_EXPORTER_OTLP_CERTIFICATE names, and no other', async () => {
  const tls = await openTls(['127.0.0.1'], undefined);
  await using collector = await openCollector(tls);
  const folder = await mkdtemp(join(tmpdir(), 'otel-'));
  const file = join(folder, 'ca.pem');
  await writeFile(file, tls.ca);
  const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_TIMEOUT: '500' };
  const trusting = await runOtel({ ...env, OTEL_EXPORTER_OTLP_CERTIFICATE: file }, collector);
  assert.deepEqual([trusting.paths, trusting.lines], [['/'], []]);
  const other = await runOtel(env, collector);
  assert.deepEqual(other.paths, []);
  assert.equal((other.lines[0]?.error as { code?: string } | undefined)?.code, 'SELF_SIGNED_CERT_IN_CHAIN');
  const away = await runOtel({ ...env, OTEL_EXPORTER_OTLP_CERTIFICATE: join(folder, 'none.pem') }, collector);
  assert.deepEqual(away.paths, []);
  await rm(folder, { recursive: true });
});
