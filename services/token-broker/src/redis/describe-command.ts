import { type Attributes, SpanKind } from '@opentelemetry/api';
import { findKind } from '../store/redis-keys.ts';

/** The commands that only read. */
export const reads = new Set(['MGET', 'GET', 'HGET', 'HMGET', 'SMEMBERS']);

/**
 * A command's span: named by its script's purpose, else by the command and the kind of its key, so that no `GET` of Redis
 * looks like one of HTTP. Its words are closed sets; keys and values are never among them.
 */
export function describeCommand(server: Attributes, command: string, script: string | undefined, key = '') {
  const kind = findKind(key);
  const attributes = {
    ...server,
    'db.system.name': 'redis',
    'db.operation.name': command,
    ...(script && { 'db.stored_procedure.name': script }),
    ...(kind && { 'db.collection.name': kind }),
  };
  const name = script?.replaceAll('-', ' ') ?? [command, kind].filter(Boolean).join(' ');
  return { name, options: { kind: SpanKind.CLIENT, attributes } };
}

/** What may stand against a request: a refusal, a revocation, a sign-out to be resumed; and the marks that say it does not. */
const checked = new Set(['throttle', 'ended', 'endings', 'issued', 'signin']);
const marks = new Set(['issued', 'signin']);

/**
 * Whether a command says nothing of what a request did unless it fails: it looks whether something stands against the
 * request, or marks that nothing does. To renew and to release a lease is such too; to take one is not.
 */
export function isQuiet(command: string, script: string | undefined, key = ''): boolean {
  const kind = findKind(key) ?? '';
  if (kind === 'lease') return script !== 'take-lease';
  return reads.has(command) ? checked.has(kind) : command === 'SET' && marks.has(kind);
}

/** Where the commands go: of a cluster the node that was configured, of a watched master the name in its certificate. */
export function serverOf({ url }: { url: string }): Attributes {
  const { hostname, port } = new URL(url);
  return { 'server.address': hostname, 'server.port': Number(port) || 6379 };
}
