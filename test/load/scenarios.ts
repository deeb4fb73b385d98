import type { Scenario } from './scenario.ts';
import { cold } from './scenarios/cold.ts';
import { l1 } from './scenarios/l1.ts';
import { l2 } from './scenarios/l2.ts';

/** In the order in which they run. */
export const scenarios: readonly Scenario[] = [l1, l2, cold];
