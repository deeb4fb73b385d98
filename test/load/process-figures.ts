import { readFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** CPU seconds and resident bytes of a process so far, by proc(5); undefined where there is none to be seen. */
export function processFigures(pid: number): { cpuSeconds: number; rssBytes: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    return { cpuSeconds, rssBytes: Number(kilobytes ?? 0) * 1_024 };
  } catch {
    // It has ended, or this system has no /proc.
    return undefined;
  }
}
