import type { Acquired } from '../entra/entra.ts';
import { hitMarginSeconds, refreshJitter, refreshPoint } from '../lifetimes.ts';

/**
 * When a token in use is refreshed behind its callers, in whole epoch seconds: from `refresh_in` on where Entra gives a usable
 * one, else around 80 % of its life; always while it is still a hit, spread by `random` (0 to 1) so that tokens acquired
 * together are not refreshed together.
 */
export function refreshAtSeconds(
  token: Pick<Acquired, 'issuedAtSeconds' | 'expiresInSeconds' | 'refreshInSeconds'>,
  random: number,
): number {
  const { issuedAtSeconds, expiresInSeconds, refreshInSeconds } = token;
  const hitSeconds = expiresInSeconds - hitMarginSeconds;
  const latestSeconds = hitSeconds * (1 - refreshJitter);
  if (refreshInSeconds !== undefined && refreshInSeconds < latestSeconds) {
    const roomSeconds = (hitSeconds - refreshInSeconds) / 2;
    const jitterSeconds = Math.min(roomSeconds, expiresInSeconds * refreshJitter);
    return issuedAtSeconds + refreshInSeconds + Math.floor(random * jitterSeconds);
  }
  const latest = Math.min(expiresInSeconds * refreshPoint, latestSeconds);
  return issuedAtSeconds + Math.max(0, Math.floor(latest - random * expiresInSeconds * refreshJitter));
}
