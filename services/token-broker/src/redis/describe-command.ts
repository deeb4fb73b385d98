import { SpanKind } from '@opentelemetry/api';
import { findKind } from '../store/redis-keys.ts';

/**
 * A command's span: named by its script's purpose, else by the command and the kind of its key, so that no `GET` of Redis
 * looks like one of HTTP. Its words are closed sets; keys and values are never among them.
 */
export function describeCommand(command: string, script: string | undefined, key = '') {
  const kind = findKind(key);
  const attributes = {
    'db.system.name': 'redis',
    'db.operation.name': command,
    ...(script && { 'db.stored_procedure.name': script }),
    ...(kind && { 'db.collection.name': kind }),
  };
  const name = script?.replaceAll('-', ' ') ?? [command, kind].filter(Boolean).join(' ');
  return { name, options: { kind: SpanKind.CLIENT, attributes } };
}
