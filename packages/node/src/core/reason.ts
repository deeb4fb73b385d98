const codeShape = /^[A-Z][A-Z0-9_]{1,60}$/;
/** Kinds of errors of a deadline that was over, ours and those of libraries. */
const timeoutKind = /Timeout(?:Error)?$/;
const deepest = 5;

/**
 * Why something outside could not be used, in one word for the log: what the server or the system calls it, e.g.
 * `WRONGPASS`, `ECONNREFUSED`, `CERT_HAS_EXPIRED`, `HTTP_403`; `timeout` where there was no response in time; else the
 * kind of the error. A message says more than may be logged.
 */
export function findReason(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return 'unknown';
  const inner = error.cause ?? (error instanceof AggregateError ? error.errors[0] : undefined);
  const goesOn = inner instanceof Error && depth < deepest;
  const word = (error as NodeJS.ErrnoException).code ?? /^([A-Z]+)(?: |$)/.exec(error.message)?.[1];
  // Node's own word for a signal that ended a request: why it did is its reason.
  const isWord = typeof word === 'string' && codeShape.test(word) && !(word === 'ABORT_ERR' && goesOn);
  if (isWord) return word;
  if (goesOn) return findReason(inner, depth + 1);
  const kind = error.name === 'Error' ? error.constructor.name : error.name;
  return timeoutKind.test(kind) ? 'timeout' : kind;
}

/** The error of a deadline that is over, as that of `AbortSignal.timeout`. */
export function timeoutError(message: string): DOMException {
  return new DOMException(message, 'TimeoutError');
}
