import { Timeout } from './redis-errors.ts';

/**
 * Rejects if a command gets no response in `ms`. The delay may be our own: the client writes at the end of this turn of
 * the event loop, and a turn in which hundreds of commands are sent may take that long. So the time starts at the end of
 * the turn, and a response that has arrived is read before the rejection. Without Promise.race, which with its clean-up
 * would cost a tenth of a read.
 * @throws Timeout.
 */
export function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const expire = () => setImmediate(reject, new Timeout('no response in time'));
    const written = setImmediate(() => {
      timer = setTimeout(expire, ms);
    });
    const settling =
      <V>(settle: (value: V) => void) =>
      (value: V) => {
        clearImmediate(written);
        clearTimeout(timer);
        settle(value);
      };
    work.then(settling(resolve), settling(reject));
  });
}
