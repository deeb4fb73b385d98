import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes what Kubernetes would mount: files only their owner can read, in a folder of their own. Gives the path. */
export async function mountFiles(directory: string, files: Record<string, string>): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content, { mode: 0o600 });
  return directory;
}

/** A fresh key ring with one key; `index` is the HMAC key of Redis key names, which the broker's ring has. */
export function mountKeyRing(directory: string): Promise<string> {
  const key = () => randomBytes(32).toString('base64');
  return mountFiles(directory, { current: 'k1', k1: key(), index: key() });
}

/** One JSON file. Gives its path. */
export async function mountJson(directory: string, name: string, value: unknown): Promise<string> {
  return join(await mountFiles(directory, { [name]: JSON.stringify(value, null, 2) }), name);
}
