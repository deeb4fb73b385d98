import { Timeout } from './redis-errors.ts';

/**
 * Rejects when a command has waited so long for its response. The lateness may be our own: the client writes at the end
 * of this turn of the event loop, which may take as long when hundreds of commands are sent at once. So the time begins
 * then, and a response that has arrived meanwhile is read before the rejection. Written by hand: Promise.race and its
 * clean-up would be a tenth of what a read costs.
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
