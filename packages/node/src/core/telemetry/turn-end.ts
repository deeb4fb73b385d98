const waiting: (() => void)[] = [];

/**
 * Does work when this turn of the event loop has served everybody, all of it at once: between two system calls code is
 * cold, and costs several times what it costs right after itself.
 */
export function atTurnEnd(work: () => void): void {
  if (waiting.push(work) === 1) setImmediate(doAll);
}

/** Also what the work itself asks for meanwhile. */
function doAll(): void {
  for (const work of waiting) work();
  waiting.length = 0;
}
