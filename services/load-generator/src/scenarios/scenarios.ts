import type { Scenario } from '../judging/scenario.ts';
import { cold } from './cold.ts';
import { knee } from './knee.ts';
import { l1 } from './l1.ts';
import { l2 } from './l2.ts';
import { obo } from './obo.ts';
import { redisDown } from './redis-down.ts';
import { resource } from './resource.ts';
import { rolling } from './rolling.ts';
import { signIn } from './sign-in.ts';
import { soak } from './soak.ts';
import { stampede } from './stampede.ts';
import { throttle } from './throttle.ts';
import { wave } from './wave.ts';

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
  knee,
];
