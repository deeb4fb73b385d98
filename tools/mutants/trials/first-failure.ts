import type { TestEvent } from 'node:test/reporters';

/** A reporter that ends its process with the first test that fails, saying which. */
// biome-ignore lint/style/noDefaultExport: Node takes a reporter from there.
export default async function* firstFailure(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type !== 'test:complete' || data.details.passed || data.todo !== undefined) continue;
    yield data.name;
    process.exit(1);
  }
}
