import { readFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** User and system time of a process so far, in microseconds; proc(5), fields 14 and 15. */
export function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticksPerSecond;
}

/** CPU seconds and resident bytes of a process so far, by proc(5); undefined where there is none to be seen. */
export function processFigures(pid: number): { cpuSeconds: number; rssBytes: number } | undefined {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return { cpuSeconds: cpuUs(pid) / 1_000_000, rssBytes: Number(kilobytes ?? 0) * 1_024 };
  } catch {
    // It has ended, or this system has no /proc.
    return undefined;
  }
}
