import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

export const production = ['web-frontend', 'token-broker', 'downstream-api'];
export const development = ['entra-emulator', 'trace-viewer'];

/** A file of this repository as text. */
export const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

export const exists = (path: string): Promise<boolean> =>
  stat(join(root, path)).then(
    () => true,
    () => false,
  );
