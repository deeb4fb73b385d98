const codeShape = /^[A-Z][A-Z0-9_]{1,60}$/;
const deepest = 5;

/**
 * Why something outside could not be used, in one word for the log: what the server or the system calls it, e.g.
 * `WRONGPASS`, `ECONNREFUSED`, `CERT_HAS_EXPIRED`, `HTTP_403`; else the kind of the error. A message says more than may
 * be logged.
 */
export function findReason(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return 'unknown';
  const word = (error as NodeJS.ErrnoException).code ?? /^([A-Z]+)(?: |$)/.exec(error.message)?.[1];
  if (typeof word === 'string' && codeShape.test(word)) return word;
  const inner = error.cause ?? (error instanceof AggregateError ? error.errors[0] : undefined);
  if (inner instanceof Error && depth < deepest) return findReason(inner, depth + 1);
  return error.name === 'Error' ? error.constructor.name : error.name;
}
