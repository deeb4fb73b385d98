import { z } from 'zod';

const seconds = z.int().nonnegative();

/** How long things live, in seconds. Source: Learn, "Configurable token lifetimes", "Continuous access evaluation". */
export const lifetimesSchema = z.strictObject({
  /** Entra picks 60 to 90 minutes at random; `accessJitter` does that. */
  access: seconds.default(3_600),
  accessJitter: seconds.default(0),
  /** `iat` and `nbf` lie so long before the issue: in Entra's tokens, `exp` - `iat` exceeds `expires_in` by 5 minutes. */
  backdate: seconds.default(300),
  /** Towards a resource with Continuous Access Evaluation; Entra: up to 28 h. */
  cae: seconds.default(86_400),
  id: seconds.default(3_600),
  /** Sliding: every use gives a new token with a new life. */
  refresh: seconds.default(90 * 86_400),
  /** Of a single-page application: fixed, its successors end with it. */
  spaRefresh: seconds.default(86_400),
  code: seconds.default(600),
  /** How long a device code lasts, and how often the device may poll. */
  device: seconds.default(900),
  deviceInterval: seconds.default(5),
  sso: seconds.default(86_400),
  /** The response's `refresh_in`; null: half the life of an access token that lives longer than two hours. */
  refreshIn: seconds.nullable().default(null),
});

export type Lifetimes = z.output<typeof lifetimesSchema>;

/** `refresh_in` of an access token that lives so long, if Entra would give one. */
export function refreshIn(lifetimes: Lifetimes, life: number): number | undefined {
  return lifetimes.refreshIn ?? (life > 7_200 ? Math.floor(life / 2) : undefined);
}
