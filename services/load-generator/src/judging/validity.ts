import { percentileMs, sum } from '../results/histogram.ts';
import type { Validity } from '../results/result.ts';
import type { LoadResults } from '../sending/generators.ts';
import type { Load } from './scenario.ts';

/** What a run has to keep, or its figures are none. */
const limits = { achievedPart: 0.995, lagP99Ms: 5, generatorCpu: 0.8, emulatorCpu: 0.7 };

/** Judges whether a run measured the brokers or its own tools. `emulatorCpu` of one core; null: not to be seen. */
export function judgeValidity(
  results: LoadResults,
  load: Pick<Load, 'durationSeconds'>,
  emulatorCpu: number | null,
): Validity {
  const requests = results.parts.reduce((total, part) => total + part.requests, 0);
  const sentInTime = results.parts.reduce((total, part) => total + part.sentInTime, 0);
  const lag = sum(results.parts.map((part) => part.lag));
  // Of few requests the 99th percentile is one that was unlucky.
  const lagP99Ms = [99, 90, 50].map((at) => percentileMs(lag, at)).find((ms) => ms !== null) ?? 0;
  const generatorCpu = Math.max(...results.parts.map(({ cpuSeconds, tookSeconds }) => cpuSeconds / tookSeconds));
  const broken: [boolean, string][] = [
    [sentInTime < requests * limits.achievedPart, `only ${sentInTime} of ${requests} requests were sent in time`],
    [
      lagP99Ms > limits.lagP99Ms,
      `requests went out late: lag p99 ${lagP99Ms.toFixed(1)} ms, at most ${limits.lagP99Ms}`,
    ],
    [generatorCpu > limits.generatorCpu, `a generator used ${percent(generatorCpu)} of a core, at most 80 %`],
    [(emulatorCpu ?? 0) > limits.emulatorCpu, `the emulator used ${percent(emulatorCpu ?? 0)} of a core, at most 70 %`],
  ];
  const reasons = broken.filter(([is]) => is).map(([, reason]) => reason);
  return {
    ...{ valid: reasons.length === 0, reasons, lagP99Ms, generatorCpu, emulatorCpu },
    offeredPerSecond: requests / load.durationSeconds,
    achievedPerSecond: sentInTime / load.durationSeconds,
  };
}

const percent = (part: number) => `${Math.round(part * 100)} %`;
