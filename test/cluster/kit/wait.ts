import { setTimeout as delay } from 'node:timers/promises';

/** Asks until it is so. @throws Error saying what it waited for. */
export async function waitUntil(what: string, isSo: () => Promise<boolean>, withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited ${withinMs / 1_000} s until ${what}`);
    await delay(1_000);
  }
}
