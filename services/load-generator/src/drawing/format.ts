import { formatMs } from '@onbehalf/trace-viewer/draw/svg';
import type { ScenarioRun } from '../results/result.ts';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const none = '–';

/** `1,234`; small numbers keep their fraction: `0.25`. */
export function formatCount(value: number): string {
  return Math.abs(value) >= 100 || Number.isInteger(value) ? whole.format(value) : short.format(value);
}

/** A duration for people; a dash where nothing was measured. */
export function formatMaybeMs(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? none : formatMs(ms);
}

/** A part of a whole: `99.95 %`. Never rounded up to all of it, or down to nothing. */
export function formatShare(part: number, all: number): string {
  if (all === 0) return none;
  const percent = (part / all) * 100;
  if (percent > 99.99 && part < all) return '> 99.99 %';
  if (percent < 0.01 && part > 0) return '< 0.01 %';
  return `${Number(percent.toFixed(2))} %`;
}

/** `91 MB`, in powers of ten. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${short.format(bytes / 1_000 ** power)} ${units[power]}`;
}

/** Of one core: `12 %`. */
export function formatCore(share: number | null): string {
  return share === null ? none : `${short.format(share * 100)} %`;
}

/** A time of a run: `12 s`, `2:05`. */
export function formatClock(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
  return `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, '0')}`;
}

/** How long it took: `12 s`, `5 min`, `2 min 5 s`. */
export function formatDuration(seconds: number): string {
  return formatMs(seconds * 1_000).replace(/ 0 s$/, '');
}

/** What a run is called: its scenario, its variant, and its number where it was repeated. */
export function nameOf({ name, variant, repeat }: Pick<ScenarioRun, 'name' | 'variant' | 'repeat'>): string {
  return [name, variant, repeat > 1 && `repeat ${repeat}`].filter(Boolean).join(' · ');
}
