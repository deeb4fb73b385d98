import type { Progress } from '../../test/kit/system/programs.ts';
import type { System } from '../../test/kit/system/system.ts';
import { tellFigures, Watch } from './figures.ts';
import { outages } from './outages.ts';
import { Stage } from './stage.ts';

/** The whole tour takes so long at most. */
const withinMs = 120_000;

/**
 * Breaks and mends one part after another, unattended, and tells of each what must happen and what did.
 * @throws Error naming the first outage after which something else happened.
 */
export async function tour(system: System, progress: Progress): Promise<void> {
  const stage = new Stage(system);
  const startedAtMs = performance.now();
  for (const { title, must, number, run } of outages) {
    const beganAtMs = performance.now();
    const watch = new Watch(system);
    await watch.read();
    console.log(`— ${title}. Must happen: ${must}`);
    const late = AbortSignal.timeout(Math.max(1, Math.round(withinMs - (beganAtMs - startedAtMs))));
    const over = new Promise<never>((_, reject) => {
      late.addEventListener('abort', () => reject(new Error(`the tour took more than ${withinMs / 1_000} s`)));
    });
    const did = await Promise.race([run(stage, number?.usual ?? 0), over]).catch((error: unknown) => {
      throw new Error(`"${title}" failed: ${error instanceof Error ? error.message : error}`, { cause: error });
    });
    progress(title, performance.now() - beganAtMs, did);
    console.log(`  ${tellFigures(await watch.read())}`);
  }
  console.log(`broke and mended ${outages.length} parts in ${Math.round((performance.now() - startedAtMs) / 1_000)} s`);
}
