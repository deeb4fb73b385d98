import { createSecureContext, type SecureContext } from 'node:tls';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { createMounted, type MountedOptions } from '@onbehalf/node/core/mounted-file';
import { noteReload } from '@onbehalf/node/core/telemetry/measures';
import type { Config } from '../config.ts';
import { redisFilesMs } from '../lifetimes.ts';
import { repeating } from '../repeating.ts';
import { type Certificate, parseAuthorities } from './certificate.ts';
import { createCertificateFiles } from './credentials.ts';

type Files = Config['redis']['tls'];
type Material = { ca?: string | undefined; certificate?: Certificate | undefined };

/**
 * The trusted authorities and the client certificate for TLS to Redis, from mounted files. When the files change, new
 * connections use the new content and open connections stay. An unusable change is logged once and ignored. The context
 * is undefined if no file is configured: then TLS trusts Node's own authorities.
 * @throws ConfigError with the environment key of the unusable file.
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
  let current = await read();
  const context = createSecureContext(toContextOptions(current));
  const reload = async () => {
    const next = await read();
    if (next.ca === current.ca && next.certificate === current.certificate) return;
    // Every Redis client has this object and reads its content at each connection.
    context.context = createSecureContext(toContextOptions(next)).context;
    current = next;
    noteReload('redis', true);
    logger.info({ event: 'redis.files_reloaded' }, 'New connections to Redis use the new files');
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
      readCa?.().catch(rethrowFor('REDIS_CA_FILE')),
      readCertificate?.().catch(rethrowFor('REDIS_CERT_FILE')),
    ]);
    return { ca, certificate: own };
  };
}

/** For the first read only. A system error would show the path; this one shows the environment key. */
function rethrowFor(key: string): (error: unknown) => never {
  return (error) => {
    throw new ConfigError(`${key}: ${error instanceof ConfigError ? error.message : 'the file cannot be read'}`);
  };
}

function toContextOptions({ ca, certificate }: Material) {
  return {
    ca,
    ...(certificate && {
      key: certificate.key.export({ type: 'pkcs8', format: 'pem' }),
      cert: certificate.chain.map(String).join(''),
    }),
  };
}
