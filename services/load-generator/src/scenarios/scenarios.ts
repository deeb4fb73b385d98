import type { Scenario } from '../judging/scenario.ts';
import { cold } from './cold.ts';
import { endpoint } from './endpoint.ts';
import { knee } from './knee.ts';
import { l1 } from './l1.ts';
import { l2 } from './l2.ts';
import { mcp } from './mcp.ts';
import { obo } from './obo.ts';
import { redisDown } from './outages/redis-down.ts';
import { rolling } from './outages/rolling.ts';
import { throttle } from './outages/throttle.ts';
import { resource } from './resource.ts';
import { signIn } from './sign-in.ts';
import { soak } from './soak.ts';
import { stampede } from './stampede.ts';
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
  mcp,
  signIn,
  soak,
  knee,
  endpoint,
];
