import type { TestEvent } from 'node:test/reporters';

/** A reporter that lists the tests, each with its milliseconds, one JSON a line. */
// biome-ignore lint/style/noDefaultExport: Node takes a reporter from there.
export default async function* durations(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type !== 'test:complete' || data.details.type === 'suite') continue;
    yield `${JSON.stringify({ title: data.name, ms: data.details.duration_ms })}\n`;
  }
}
