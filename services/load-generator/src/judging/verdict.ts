import type { Check, ScenarioRun, Validity, Verdict } from '../results/result.ts';
import { noErrors, noForeign, percentileAtMost } from './checks.ts';

/** What checks and validity come to. `quick` judges counts alone, which are true however late the requests went out. */
export function decide(checks: readonly Check[], { valid }: Pick<Validity, 'valid'>, quick: boolean): Verdict {
  if (!valid && !quick) return 'invalid';
  return checks.every(({ holds, time }) => holds || (quick && time)) ? 'pass' : 'fail';
}

/**
 * The pass lines of what runs already, of which only the responses are seen. `knowsPeople`: whether it is known whose each
 * token has to be.
 */
export function remoteChecks(
  response: string,
  totals: ScenarioRun['totals'],
  sloMs: number,
  knowsPeople: boolean,
): Check[] {
  const latency = percentileAtMost('latency', response, 99, sloMs);
  return [latency, noErrors({ totals }), ...(knowsPeople ? [noForeign({ totals })] : [])];
}
