import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** An editor writes a file in several steps; they count as one. */
const settleMs = 100;
const source = /\.(ts|mjs|js|json|css|html|lua)$/;

export type Watch = Disposable & {
  /** Waits until source files have been saved since the last call; gives their paths. */
  saved(): Promise<string[]>;
};

/** Watches the source files of these folders, without what is installed there. */
export function openWatch(folders: string[]): Watch {
  const paths = new Set<string>();
  let wake = () => {};
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(folder, { recursive: true }, (_, name) => {
      if (!name || !source.test(name) || name.includes('node_modules')) return;
      paths.add(join(folder, name));
      wake();
    }),
  );
  return {
    async saved() {
      if (paths.size === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      await delay(settleMs);
      const found = [...paths];
      paths.clear();
      return found;
    },
    [Symbol.dispose]: () => {
      for (const watcher of watchers) watcher.close();
    },
  };
}
