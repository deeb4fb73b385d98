import type { Scenario } from '../judging/scenario.ts';

/** Hits of anybody's token endpoint: each of its people has asked once before it begins. */
export const endpoint: Scenario = {
  name: 'endpoint',
  brief: "anybody's token endpoint, as --endpoint describes it",
  load: { ratePerSecond: 100, users: 1_000, durationSeconds: 30, brokers: 1 },
  quick: { ratePerSecond: 40, durationSeconds: 3 },
  remote: { warm: true, sloMs: 20, foreign: true },
  onlyByName: true,
  variants: () => [],
};
