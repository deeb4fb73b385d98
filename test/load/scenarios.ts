import type { Scenario } from './scenario.ts';
import { cold } from './scenarios/cold.ts';
import { l1 } from './scenarios/l1.ts';
import { l2 } from './scenarios/l2.ts';
import { obo } from './scenarios/obo.ts';
import { redisDown } from './scenarios/redis-down.ts';
import { resource } from './scenarios/resource.ts';
import { rolling } from './scenarios/rolling.ts';
import { signIn } from './scenarios/sign-in.ts';
import { soak } from './scenarios/soak.ts';
import { stampede } from './scenarios/stampede.ts';
import { throttle } from './scenarios/throttle.ts';
import { wave } from './scenarios/wave.ts';

/** In the order in which they run. */
export const scenarios: readonly Scenario[] = [
  l1,
  l2,
  cold,
  wave,
  stampede,
  resource,
  redisDown,
  throttle,
  rolling,
  obo,
  signIn,
  soak,
];
