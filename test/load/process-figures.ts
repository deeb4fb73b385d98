import { readFileSync } from 'node:fs';
import { cpuUs } from './slices.ts';

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
