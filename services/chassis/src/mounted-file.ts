import { readFile, stat } from 'node:fs/promises';

/** How often a mounted file is looked at; the kubelet itself takes up to a minute to swap one. */
const lookEveryMs = 1_000;

/**
 * The bytes of a mounted file that is replaced while we run: read again when it changed, looked at once a second at
 * most. The same buffer comes back until then.
 * @throws Error while nothing was ever read; later the last content stays.
 */
export function createMountedBytes(path: string, nowMs: () => number = Date.now): () => Promise<Buffer> {
  let content: Buffer | undefined;
  let version = '';
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (content !== undefined && nowMs() - lookedAtMs < lookEveryMs) return content;
    try {
      const { ino, mtimeMs, size } = await stat(path);
      if (version !== `${ino}:${mtimeMs}:${size}`) {
        const bytes = await readFile(path);
        if (bytes.toString('latin1').trim() === '') throw new Error('the mounted file is empty');
        content = bytes;
        version = `${ino}:${mtimeMs}:${size}`;
      }
      lookedAtMs = nowMs();
    } catch (error) {
      // Between two swaps, or while it is written, the file may be away or empty for a moment.
      if (content === undefined) throw error;
    }
    return content as Buffer;
  };
}

/** As `createMountedBytes`, of a text: ServiceAccount tokens, secrets, passwords. It comes without the space around it. */
export function createMountedFile(path: string, nowMs?: () => number): () => Promise<string> {
  const read = createMountedBytes(path, nowMs);
  return async () => (await read()).toString().trim();
}
