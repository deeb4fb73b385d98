import { readFileSync } from 'node:fs';

/** Microseconds for which something waited for a processor so far: Linux, PSI. Undefined where nobody tells. */
export function cpuPressureUs(): number | undefined {
  try {
    const [, total] = /^some .*\btotal=(\d+)/m.exec(readFileSync('/proc/pressure/cpu', 'utf8')) ?? [];
    return total === undefined ? undefined : Number(total);
  } catch {
    // No Linux, or a kernel without PSI.
    return undefined;
  }
}
