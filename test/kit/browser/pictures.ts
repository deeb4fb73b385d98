import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pixelmatch from 'pixelmatch';
import type { Page } from 'playwright-core';
import { PNG } from 'pngjs';
import { replaceTexts } from './in-page.js';
import { encodePng } from './png.ts';

/** How many of a picture's pixels may differ: what another Chromium draws anew, less than a word or a moved line. */
const tolerance = 0.000_5;
/** How far a pixel's colour may be off, of 1, before it counts. */
const threshold = 0.1;

/** What is new in every run, in the words of a page, and what stands there in its place. */
const changing: [pattern: string, word: string][] = [
  ['[0-9a-f]{32}', '0123456789abcdef0123456789abcdef'],
  ['[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '01234567-89ab-cdef-0123-456789abcdef'],
  ['\\d{4}-\\d\\d-\\d\\d', '2026-06-01'],
  ['(localhost|127\\.0\\.0\\.1):\\d{2,5}', '$1:3000'],
  ['\\d{1,2}:\\d{2}(:\\d{2})?( [AP]M)?', '10:00'],
  ['in \\d+ seconds?', 'in 5 seconds'],
  ['\\b1[789]\\d{8}\\b', '1780000000'],
];

/**
 * The pictures of one test file, in `test/pictures/<folder>`: each page must look as its picture. What failed is kept in
 * `out/pictures`, as it is drawn now and with the difference. `npm run test:modes -- --update` renews them all.
 */
export class Gallery {
  readonly #kept: string;
  readonly #out: string;
  readonly #seen = new Set<string>();

  constructor(folder: string) {
    this.#kept = join('test/pictures', folder);
    this.#out = join('out/pictures', folder);
    rmSync(this.#out, { recursive: true, force: true });
    mkdirSync(this.#out, { recursive: true });
  }

  /** @throws AssertionError where the page as it is now looks different from its picture, or has none. */
  async compare(page: Page, name: string): Promise<void> {
    const file = `${name}.png`;
    this.#seen.add(file);
    await page.evaluate(replaceTexts, changing);
    const drawn = await page.screenshot({ fullPage: true, animations: 'disabled', caret: 'hide' });
    const now = PNG.sync.read(drawn);
    const kept = join(this.#kept, file);
    const was = existsSync(kept) ? PNG.sync.read(readFileSync(kept)) : undefined;
    const difference = was && differenceOf(was, now);
    if (difference && difference.pixels <= tolerance * now.width * now.height) return;
    if (process.env.UPDATE_PICTURES === '1') {
      mkdirSync(this.#kept, { recursive: true });
      return writeFileSync(kept, encodePng({ ...now, rgba: now.data }));
    }
    writeFileSync(join(this.#out, file), drawn);
    if (!was) assert.fail(`there is no picture ${kept} yet: npm run test:modes -- --update`);
    if (!difference) assert.fail(`${kept} is ${was.width} × ${was.height}, the page ${now.width} × ${now.height}`);
    writeFileSync(join(this.#out, `${name}.difference.png`), PNG.sync.write(difference.picture));
    assert.fail(`${difference.pixels} pixels differ from ${kept}: see ${this.#out}/${name}.difference.png`);
  }

  /** @throws AssertionError where a picture is kept that no page was compared with. */
  assertAllSeen(): void {
    assert.deepEqual(
      readdirSync(this.#kept).filter((file) => !this.#seen.has(file)),
      [],
    );
  }
}

/** How many pixels differ, and a picture of them; undefined where the sizes do. */
function differenceOf(was: PNG, now: PNG): { pixels: number; picture: PNG } | undefined {
  const { width, height } = now;
  if (was.width !== width || was.height !== height) return undefined;
  const picture = new PNG({ width, height });
  return { pixels: pixelmatch(was.data, now.data, picture.data, width, height, { threshold }), picture };
}
