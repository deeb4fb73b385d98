import assert from 'node:assert/strict';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { unreadableTexts } from './in-page.js';
import type { Gallery } from './pictures.ts';

/** The narrowest telephone, and a page at 400 % on a usual screen: WCAG 2.2, 1.4.10 Reflow. */
const narrow = { width: 320, height: 640 };
const wide = { width: 1280, height: 800 };
/** In the dark nothing but the colours is different. */
const rules = { light: {}, dark: { runOnly: ['color-contrast', 'link-in-text-block'] } };

/**
 * The page as it is now is good for readers and screen readers, wide and narrow, in light and dark, and looks as its
 * four pictures. It is left wide and light.
 * @throws AssertionError with what axe objects to, which text cannot be read, or which picture differs.
 */
export async function inspect(page: Page, gallery: Gallery, name: string): Promise<void> {
  await page.evaluate(`${axe.source}; undefined`);
  for (const [width, size] of Object.entries({ narrow, wide })) {
    await page.setViewportSize(size);
    assert.deepEqual(await page.evaluate(unreadableTexts), [], `${name}, ${width}`);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      // The colours are those of the wide page.
      const isNew = width === 'wide' || colorScheme === 'light';
      if (isNew) assert.deepEqual(await objections(page, rules[colorScheme]), [], `${name}, ${width}, ${colorScheme}`);
      await gallery.compare(page, `${name}-${width}-${colorScheme}`);
    }
    await page.emulateMedia({ colorScheme: 'light' });
  }
}

/** What axe, which is in the page already, objects to on the page as it is now, in a line each. */
export async function objections(page: Page, options: object): Promise<string[]> {
  const { violations } = await page.evaluate<{
    violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
  }>(`axe.run(document, ${JSON.stringify(options)})`);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  );
}
