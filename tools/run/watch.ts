import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** An editor writes a file in several steps; they count as one. */
const settleMs = 100;
const source = /\.(ts|mjs|js|json|css|html|lua)$/;

export type Watch = Disposable & {
  /** Waits until a source file has been saved since the last call; gives its path. */
  change(): Promise<string>;
};

/** Watches the source files of these folders, without what is installed there. */
export function openWatch(folders: string[]): Watch {
  let saved: string | undefined;
  let wake = () => {};
  const watchers: FSWatcher[] = folders.map((folder) =>
    watch(folder, { recursive: true }, (_, name) => {
      if (!name || !source.test(name) || name.includes('node_modules')) return;
      saved = join(folder, name);
      wake();
    }),
  );
  return {
    async change() {
      if (!saved) await new Promise<void>((resolve) => (wake = resolve));
      await delay(settleMs);
      const path = saved ?? '';
      saved = undefined;
      return path;
    },
    [Symbol.dispose]: () => {
      for (const watcher of watchers) watcher.close();
    },
  };
}
