import { readFile, stat } from 'node:fs/promises';

/** How often a mounted file is looked at; the kubelet itself takes up to a minute to swap one. */
const lookEveryMs = 1_000;

/**
 * The trimmed content of a mounted file that is replaced while we run (ServiceAccount tokens, certificates): read
 * again when it changed, looked at once a second at most.
 * @throws Error while nothing was ever read; later the last content stays.
 */
export function createMountedFile(path: string, nowMs: () => number = Date.now): () => Promise<string> {
  let content: string | undefined;
  let version = '';
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (content !== undefined && nowMs() - lookedAtMs < lookEveryMs) return content;
    try {
      const { ino, mtimeMs, size } = await stat(path);
      if (version !== `${ino}:${mtimeMs}:${size}`) {
        const text = (await readFile(path, 'utf8')).trim();
        if (text === '') throw new Error('the mounted file is empty');
        content = text;
        version = `${ino}:${mtimeMs}:${size}`;
      }
      lookedAtMs = nowMs();
    } catch (error) {
      // Between two swaps, or while it is written, the file may be away or empty for a moment.
      if (content === undefined) throw error;
    }
    return content as string;
  };
}
