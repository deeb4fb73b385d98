import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { focusedControl } from './in-page.js';

/** A page has no more stops than this before a control that is looked for. */
const mostStops = 60;

/** Somebody who has a keyboard and no mouse, and who must see at each stop where they are. */
export class Keyboard {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Goes on by Tab to the control of this name. @throws AssertionError where the focus of a stop cannot be seen. */
  async goTo(name: string | RegExp): Promise<void> {
    const passed: string[] = [];
    for (let stops = 0; stops <= mostStops; stops += 1) {
      const focused = await this.page.evaluate(focusedControl);
      if (focused.name !== '') {
        assert.deepEqual(focused.hidden, [], `the focus at "${focused.name}" on ${this.page.url()}`);
        if (typeof name === 'string' ? focused.name === name : name.test(focused.name)) return;
        passed.push(focused.name);
      }
      await this.page.keyboard.press('Tab');
    }
    assert.fail(`Tab never leads to ${name} on ${this.page.url()}, only to: ${[...new Set(passed)].join(', ')}`);
  }

  /** Goes to the control of this name and presses it. */
  async press(name: string | RegExp): Promise<void> {
    await this.goTo(name);
    await this.page.keyboard.press('Enter');
  }
}
