import { SpanKind } from '@opentelemetry/api';
import { findKind } from '../store/redis-keys.ts';

/** What a span says of a command. Its words are closed sets; keys and values are never among them. */
export function describeCommand(name: string, script: string | undefined, key = '') {
  const kind = findKind(key);
  const attributes = {
    'db.system.name': 'redis',
    'db.operation.name': name,
    ...(script && { 'db.stored_procedure.name': script }),
    ...(kind && { 'db.collection.name': kind }),
  };
  return { kind: SpanKind.CLIENT, attributes };
}
