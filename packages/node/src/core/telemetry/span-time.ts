/** How far the wall's clock may be from ours before ours is set anew: a step of NTP, not the rounding of a millisecond. */
const stepMs = 2;
const halfMs = 0.5;
let offsetMs = performance.timeOrigin;

/**
 * The time of a moment of `performance.now()` for spans, in ms since the epoch. Each span would read the wall's clock for
 * itself, to a millisecond, and a child then seems to outlive its parent: all spans of a process have one clock.
 */
export function spanTime(atMs: number = performance.now()): number {
  const beforeMs = performance.now();
  const wallsMs = Date.now() + halfMs - beforeMs;
  // A process that had to wait between the two readings has compared different moments.
  const isOneMoment = performance.now() - beforeMs < halfMs;
  if (isOneMoment && Math.abs(wallsMs - offsetMs) > stepMs) offsetMs = wallsMs;
  return offsetMs + atMs;
}
