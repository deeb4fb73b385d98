import { isIPv6 } from 'node:net';
import { Fault } from '@onbehalf/chassis/fault';
import type { RequestHandler } from 'express';

/** Addresses remembered; the one that was silent longest goes. About 100 bytes each. */
const maxAddresses = 20_000;

type Bucket = { tokens: number; atMs: number };

/**
 * A token bucket per client address, of this pod. An IPv6 client is its /64: it has all of those addresses.
 * @throws Fault `too_many_requests` with the wait until the next one passes.
 */
export function rateLimit(
  { perSecond, burst }: { perSecond: number; burst: number },
  nowMs: () => number,
): RequestHandler {
  const buckets = new Map<string, Bucket>();
  return (req, _res, next) => {
    const key = networkOf(req.ip ?? '');
    const { tokens, atMs } = buckets.get(key) ?? { tokens: burst, atMs: nowMs() };
    const elapsedMs = Math.max(0, nowMs() - atMs);
    const filled = Math.min(burst, tokens + (elapsedMs / 1_000) * perSecond);
    const passes = filled >= 1;
    buckets.delete(key);
    buckets.set(key, { tokens: passes ? filled - 1 : filled, atMs: nowMs() });
    if (buckets.size > maxAddresses) buckets.delete(buckets.keys().next().value as string);
    if (!passes) {
      const retryAfterSeconds = (1 - filled) / perSecond;
      throw new Fault('too_many_requests', 'Too many requests from your network, try again.', { retryAfterSeconds });
    }
    next();
  };
}

function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const left = head.split(':');
  const right = tail === undefined ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
