import { createRequire } from 'node:module';

/** Runs each flow and prints what it gave; an error is what it gave, too. */
export async function tell(name, flows) {
  const { version } = createRequire(import.meta.url)(`${name}/package.json`);
  const seen = {};
  for (const [flow, run] of Object.entries(flows))
    seen[flow] = await run().catch((error) => ({ raised: `${error.name}: ${error.message}` }));
  process.stdout.write(JSON.stringify({ version, flows: seen }));
}
