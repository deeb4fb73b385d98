import type { Check, ScenarioRun, Validity, Verdict } from '../results/result.ts';
import { noErrors, noForeign, percentileAtMost } from './checks.ts';

/** What checks and validity come to. `quick` judges counts alone, which are true however late the requests went out. */
export function decide(checks: readonly Check[], { valid }: Pick<Validity, 'valid'>, quick: boolean): Verdict {
  if (!valid && !quick) return 'invalid';
  return checks.every(({ holds, time }) => holds || (quick && time)) ? 'pass' : 'fail';
}

/** The pass lines of a broker that runs already, of which only the responses are seen. */
export function remoteChecks(response: string, totals: ScenarioRun['totals'], sloMs: number): Check[] {
  return [percentileAtMost('latency', response, 99, sloMs), noErrors({ totals }), noForeign({ totals })];
}
