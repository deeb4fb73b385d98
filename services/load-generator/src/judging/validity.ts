import { percentileMs, sum } from '../results/histogram.ts';
import type { Validity } from '../results/result.ts';
import type { LoadResults } from '../sending/generators.ts';
import type { Load } from './scenario.ts';

/** What a run has to keep, or its figures are none. */
const limits = { achievedPart: 0.995, lagP99Ms: 5, generatorCpu: 0.8, emulatorCpu: 0.7, cpuPressure: 0.8 };

type Figures = Omit<Validity, 'valid' | 'reasons'>;

/** Judges whether a run measured the brokers or its own tools. `emulatorCpu` of one core; null: not to be seen. */
export function judgeValidity(
  { parts, cpuPressure = null }: LoadResults,
  { durationSeconds }: Pick<Load, 'durationSeconds'>,
  emulatorCpu: number | null,
): Validity {
  const requests = parts.reduce((total, part) => total + part.requests, 0);
  const sentInTime = parts.reduce((total, part) => total + part.sentInTime, 0);
  const lag = sum(parts.map((part) => part.lag));
  const figures = {
    offeredPerSecond: requests / durationSeconds,
    achievedPerSecond: sentInTime / durationSeconds,
    // Of few requests the 99th percentile is one that was unlucky.
    lagP99Ms: [99, 90, 50].map((at) => percentileMs(lag, at)).find((ms) => ms !== null) ?? 0,
    generatorCpu: Math.max(...parts.map(({ cpuSeconds, tookSeconds }) => cpuSeconds / tookSeconds)),
    ...{ emulatorCpu, cpuPressure },
  };
  return judgeFigures(figures, durationSeconds);
}

/** The same of figures that are known already, such as the sum of several pods'. */
export function judgeFigures(figures: Figures, durationSeconds: number): Validity {
  const { offeredPerSecond, achievedPerSecond, lagP99Ms, cpuPressure = null } = figures;
  const [generatorCpu, emulatorCpu] = [figures.generatorCpu ?? 0, figures.emulatorCpu ?? 0];
  const count = (perSecond: number) => Math.round(perSecond * durationSeconds);
  const broken: [boolean, string][] = [
    [
      achievedPerSecond < offeredPerSecond * limits.achievedPart,
      `only ${count(achievedPerSecond)} of ${count(offeredPerSecond)} requests were sent in time`,
    ],
    [
      lagP99Ms > limits.lagP99Ms,
      `requests went out late: lag p99 ${lagP99Ms.toFixed(1)} ms, at most ${limits.lagP99Ms}`,
    ],
    [generatorCpu > limits.generatorCpu, `a generator used ${percent(generatorCpu)} of a core, at most 80 %`],
    [emulatorCpu > limits.emulatorCpu, `the emulator used ${percent(emulatorCpu)} of a core, at most 70 %`],
    [
      (cpuPressure ?? 0) > limits.cpuPressure,
      `the machine was short of processors: something waited for one ${percent(cpuPressure ?? 0)} of the time, at most 80 %`,
    ],
  ];
  const reasons = broken.filter(([is]) => is).map(([, reason]) => reason);
  return { ...figures, valid: reasons.length === 0, reasons };
}

const percent = (part: number) => `${Math.round(part * 100)} %`;
