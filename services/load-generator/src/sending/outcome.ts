import type { Reply } from './sender.ts';
import type { Outcome } from './tally.ts';

/** What an answer means for the count of errors: any status but 200 is one. */
export function outcomeOf({ status, error, retryAfterSeconds }: Reply): Outcome {
  if (status === 200) return {};
  const refused = status === 429 || status === 503;
  return { errorType: status === 0 ? error : `${status} ${error}`.trim(), refused, retryAfterSeconds };
}
