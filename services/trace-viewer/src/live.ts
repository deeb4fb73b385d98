import type { ServerResponse } from 'node:http';

const gatherMs = 100;
const keepAliveMs = 15_000;

/**
 * Server-sent events to every open page: what changed is gathered for a tenth of a second, so that an export of a
 * thousand spans is one message. `collect` turns the ids of changed traces into the message.
 */
export function createLive(collect: (changed: Set<string>, gone: Set<string>) => unknown) {
  const streams = new Set<ServerResponse>();
  let changed = new Set<string>();
  let gone = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const keepAlive = setInterval(() => write(': still here\n\n'), keepAliveMs).unref();

  function write(text: string): void {
    for (const stream of streams) stream.write(text);
  }

  function flush(): void {
    timer = undefined;
    const message = collect(changed, gone);
    changed = new Set();
    gone = new Set();
    write(`data: ${JSON.stringify(message)}\n\n`);
  }

  return {
    /** Keeps a response open as a stream. */
    open(res: ServerResponse): void {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      res.write('retry: 1000\n\n');
      streams.add(res);
      res.once('close', () => streams.delete(res));
    },
    /** Notes changed and gone traces; the pages hear of them within `gatherMs`. */
    tell(changedIds: Iterable<string>, goneIds: Iterable<string>): void {
      for (const id of changedIds) {
        changed.add(id);
        gone.delete(id);
      }
      for (const id of goneIds) {
        changed.delete(id);
        gone.add(id);
      }
      if (changed.size + gone.size > 0) timer ??= setTimeout(flush, gatherMs).unref();
    },
    [Symbol.dispose](): void {
      clearInterval(keepAlive);
      clearTimeout(timer);
      for (const stream of streams) stream.end();
    },
  };
}
