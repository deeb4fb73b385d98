import { createSecureContext, type SecureContext } from 'node:tls';
import { ConfigError } from '@onbehalf/chassis/config/config';
import { createMounted, type MountedOptions } from '@onbehalf/chassis/config/mounted-file';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { noteReload } from '@onbehalf/chassis/telemetry/measures';
import type { Config } from '../config.ts';
import { redisFilesMs } from '../lifetimes.ts';
import { repeating } from '../repeating.ts';
import { type Certificate, parseAuthorities } from './certificate.ts';
import { createCertificateFiles } from './credentials.ts';

type Files = Config['redis']['tls'];
type Material = { ca?: string | undefined; certificate?: Certificate | undefined };

/**
 * Whom TLS to Redis trusts and the certificate it shows, by mounted files, which are read again while they change: new
 * connections go by the new ones, open ones stay. A change that cannot be used is logged once and not taken. The
 * context is undefined where no file is configured: then Node's own authorities are trusted.
 * @throws ConfigError that names the key of the file that is wrong.
 */
export async function openRedisTls(
  files: Files,
  logger: Logger,
): Promise<AsyncDisposable & { context: SecureContext | undefined }> {
  if (!files.caFile && !files.certificate) return { context: undefined, async [Symbol.asyncDispose]() {} };
  const onBroken = (error: unknown, kept: boolean) => {
    if (!kept) return;
    noteReload('redis', false);
    logger.error({ event: 'redis.files_failed', error }, 'A file of TLS to Redis is broken: keeping the last good one');
  };
  const read = createReader(files, { onBroken });
  let used = await read();
  const context = createSecureContext(contextOf(used));
  const reload = async () => {
    const next = await read();
    if (next.ca === used.ca && next.certificate === used.certificate) return;
    // Every client holds this object and connects by what is in it then.
    context.context = createSecureContext(contextOf(next)).context;
    used = next;
    noteReload('redis', true);
    logger.info({ event: 'redis.files_reloaded' }, 'New connections to Redis go by the new files');
  };
  const following = repeating(reload, redisFilesMs, logger);
  return { context, [Symbol.asyncDispose]: () => following[Symbol.asyncDispose]() };
}

function createReader({ caFile, certificate }: Files, options: MountedOptions): () => Promise<Material> {
  const keyTypes = ['rsa', 'ec', 'ed25519'];
  const readCa = caFile === undefined ? undefined : createMounted([caFile], parseAuthorities, options);
  const readCertificate = certificate && createCertificateFiles({ ...certificate, keyTypes }, options);
  return async () => {
    const [ca, own] = await Promise.all([
      readCa?.().catch(named('REDIS_CA_FILE')),
      readCertificate?.().catch(named('REDIS_CERT_FILE')),
    ]);
    return { ca, certificate: own };
  };
}

/** Only until the first good content: a system's message names paths, ours the key. */
function named(key: string): (error: unknown) => never {
  return (error) => {
    throw new ConfigError(`${key}: ${error instanceof ConfigError ? error.message : 'the file cannot be read'}`);
  };
}

function contextOf({ ca, certificate }: Material) {
  return {
    ...(ca !== undefined && { ca }),
    ...(certificate && {
      key: certificate.key.export({ type: 'pkcs8', format: 'pem' }),
      cert: certificate.chain.map(String).join(''),
    }),
  };
}
