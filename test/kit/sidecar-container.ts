import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { V1Container, V1PodSpec } from '@kubernetes/client-node';
import { parse } from 'yaml';

/** The pod's part that docs/sidecar.md tells people to write, with a tenant and a client in place of its gaps. */
export async function readSidecarContainer(): Promise<{ container: V1Container; pod: Partial<V1PodSpec> }> {
  const page = await readFile(join(import.meta.dirname, '../../docs/sidecar.md'), 'utf8');
  const snippet = /```yaml\n(initContainers:\n.*?)```/s.exec(page)?.[1] ?? '';
  const filled = snippet
    .replace('<registry>/sidecar:<version>', 'registry.example.com/onbehalf/sidecar:1.2.3')
    .replace('<tenant>', 'c0a70500-7e57-4000-8000-000000000001')
    .replace("<your API's client id>", 'a9100000-7e57-4000-8000-000000000021');
  const pod = parse(filled) as Partial<V1PodSpec>;
  const [container] = pod.initContainers ?? [];
  if (!container) throw new Error('docs/sidecar.md shows no container');
  return { container, pod };
}

/** The environment of a container whose variables all have their value. */
export function environmentOf({ env = [] }: V1Container): Record<string, string> {
  return Object.fromEntries(env.map(({ name, value = '' }) => [name, value]));
}
