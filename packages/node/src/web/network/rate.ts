import type { RequestHandler } from 'express';
import { Fault } from '../../core/fault.ts';
import type { ClientNetwork } from './client-network.ts';

/** How many networks are kept; the one without requests for the longest time goes first. About 100 bytes each. */
const maxNetworks = 20_000;

type Bucket = { tokens: number; atMs: number };
/** For a client network: 0 if its request passes, else the seconds until the next one passes. */
export type Rate = (network: string) => number;

/** A token bucket per client network, of this pod. */
export function createRate({ perSecond, burst }: { perSecond: number; burst: number }, nowMs: () => number): Rate {
  const buckets = new Map<string, Bucket>();
  return (network) => {
    const { tokens, atMs } = buckets.get(network) ?? { tokens: burst, atMs: nowMs() };
    const elapsedMs = Math.max(0, nowMs() - atMs);
    const filled = Math.min(burst, tokens + (elapsedMs / 1_000) * perSecond);
    const passes = filled >= 1;
    buckets.delete(network);
    buckets.set(network, { tokens: passes ? filled - 1 : filled, atMs: nowMs() });
    if (buckets.size > maxNetworks) buckets.delete(buckets.keys().next().value as string);
    return passes ? 0 : (1 - filled) / perSecond;
  };
}

/** Lets a request pass while its client's rate allows it. @throws Fault `too_many_requests` with the wait. */
export function rateLimit(rate: Rate, networkOf: ClientNetwork): RequestHandler {
  return (req, _res, next) => {
    const retryAfterSeconds = rate(networkOf(req));
    if (retryAfterSeconds === 0) return next();
    throw new Fault('too_many_requests', 'Too many requests from your network, try again.', { retryAfterSeconds });
  };
}
