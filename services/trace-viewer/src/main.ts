import { aborted, run } from '@onbehalf/chassis/life/run';
import { readConfig } from './config.ts';
import { createViewer } from './viewer.ts';

await run(async (signal) => {
  await using viewer = await createViewer(readConfig(process.env));
  console.log(`trace-viewer: ${viewer.url} shows what is sent to ${viewer.url}/v1/traces`);
  await aborted(signal);
});
