/** Works through a list, so many at once, until then. Gives what is left. */
export async function eachOf<T>(
  list: T[],
  { atOnce, untilMs }: { atOnce: number; untilMs: number },
  work: (one: T) => Promise<void>,
): Promise<T[]> {
  const left = [...list];
  const worker = async () => {
    while (Date.now() < untilMs) {
      const one = left.shift();
      if (one === undefined) return;
      await work(one);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return left;
}

/** Lets so many work at once; the others wait. */
export function createGate(atOnce: number) {
  const waiting: (() => void)[] = [];
  let working = 0;
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (working === atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else working += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else working -= 1;
    }
  };
}
