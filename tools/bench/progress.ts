/** Tells on a terminal, in one line that is written over, what is under way; elsewhere a log would fill with it. */
export function createProgress(stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>) {
  return (what: string): void => {
    if (stream.isTTY) stream.write(`\r${what.padEnd(60)}\r`);
  };
}
