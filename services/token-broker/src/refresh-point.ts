import type { Acquired } from './entra.ts';
import { hitMarginSeconds, refreshJitter, refreshPoint } from './lifetimes.ts';

/**
 * When a token in use is refreshed behind its callers, in epoch seconds: from `refresh_in` on where Entra gives one,
 * else around 80 % of its life; always while it is still a hit, spread by `random` (0 to 1) so that tokens bought
 * together are not refreshed together.
 */
export function refreshAtSeconds(
  token: Pick<Acquired, 'issuedAtSeconds' | 'expiresInSeconds' | 'refreshInSeconds'>,
  random: number,
): number {
  const { issuedAtSeconds, expiresInSeconds, refreshInSeconds } = token;
  const hitSeconds = expiresInSeconds - hitMarginSeconds;
  if (refreshInSeconds !== undefined) {
    const roomSeconds = Math.max(0, hitSeconds - refreshInSeconds);
    return issuedAtSeconds + refreshInSeconds + random * Math.min(roomSeconds / 2, expiresInSeconds * refreshJitter);
  }
  const latest = Math.min(expiresInSeconds * refreshPoint, hitSeconds * (1 - refreshJitter));
  return issuedAtSeconds + Math.max(0, latest - random * expiresInSeconds * refreshJitter);
}
