import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import type { Authority } from '@onbehalf/node/core/keys/signing-keys';
import { createMountedFile } from '@onbehalf/node/core/mounted-file';
import { RateLimit } from '@onbehalf/node/core/network/rate-limit';
import { findReason } from '@onbehalf/node/core/reason';
import { Callers, clusterKeys } from './clients/callers.ts';
import { ClientAuthentication } from './clients/client-authentication.ts';
import type { Clients } from './clients/clients.ts';
import type { Config } from './config.ts';
import type { Entra } from './entra/entra.ts';
import { createAccessTokens } from './grants/access-tokens.ts';
import { Broker } from './grants/broker.ts';
import { createHandler } from './http/app.ts';
import type { Endpoint } from './http/endpoint.ts';
import { createEndpoints } from './http/endpoints.ts';
import { hasSecrets, metadata, signInTenant } from './http/metadata.ts';
import { IndexGuard } from './sessions/index-guard.ts';
import type { Session } from './sessions/record.ts';
import { Sessions } from './sessions/sessions.ts';
import { Tombstones } from './sessions/tombstone.ts';
import { watch } from './signals.ts';
import { createL1 } from './store/memory-cache.ts';
import type { RedisKeys } from './store/redis-keys.ts';
import type { Sealing } from './store/sealing.ts';
import type { Store } from './store/store.ts';
import { Refusals } from './tokens/refusals.ts';
import type { TokenRecord } from './tokens/token.ts';
import { Tokens } from './tokens/tokens.ts';

type Parts = {
  store: Store;
  entra: Entra;
  redisKeys: RedisKeys;
  sealing: Sealing;
  clients: () => Clients;
  callersCa?: string | undefined;
  /** Entra's signing keys by tenant. */
  openAuthority: (tenantId: string) => Authority;
  logger: Logger;
};

/** Puts the broker together from its ports. Opens nothing. `upkeep` is to be done every few seconds, by every pod. */
export function assemble(config: Config, parts: Parts) {
  const { store, entra, redisKeys, sealing, clients, callersCa, openAuthority, logger } = parts;
  const nowMs = Date.now;
  const { maxBytes, maxUnverifiedSeconds } = config.l1;
  const bound = { maxUnverifiedMs: maxUnverifiedSeconds * 1_000, channel: store.channel, nowMs };
  const openL1 = <V>(share: number, countBytes: (value: V) => number) =>
    createL1<V>({ ...bound, maxBytes: maxBytes * share }, countBytes);
  // Sessions are small beside tokens.
  const tokenL1 = openL1<TokenRecord>(0.75, ({ accessToken, scope }) => accessToken.length + scope.length);
  const sessionL1 = openL1<Session>(0.25, () => 600);
  watch('onbehalf.cache.l1.size', () => tokenL1.bytes + sessionL1.bytes);
  watch('onbehalf.cache.invalidation.up', () => (store.channel.downSinceMs === undefined ? 1 : 0));
  const refusals = new Refusals(store, redisKeys, sealing, nowMs);
  const guard = new IndexGuard({ store, redisKeys, logger, nowMs });
  const tombstones = new Tombstones({ store, redisKeys, everybody: () => guard.everybody(), nowMs });
  const sessions = new Sessions({
    ...config.session,
    ...{ store, l1: sessionL1, redisKeys, sealing, tombstones, logger, nowMs },
  });
  const tokens = new Tokens({ store, l1: tokenL1, refusals, redisKeys, sealing, logger, nowMs });
  const perSession = new RateLimit({ perSecond: config.session.rate, burst: config.session.rate * 4 });
  const broker = new Broker({
    ...{ entra, store, sessions, tokens, tombstones, refusals, redisKeys, perSession, logger, nowMs },
    findClient: (name) => clients().byName.get(name),
  });
  const { issuer, audience, jwksUri, tokenFile, allowPlaintext } = config.callers;
  const keys = clusterKeys({
    ...{ issuer, jwksUri, allowPlaintext, ca: callersCa, onFetch: tellKeys(logger, nowMs) },
    token: tokenFile === undefined ? undefined : createMountedFile(tokenFile),
  });
  const { authorityHost } = config.entra;
  const accessTokens = createAccessTokens({ openAuthority, tombstones, nowMs });
  const endpoints = createEndpoints(broker, accessTokens, authorityHost);
  const perCaller = () => new RateLimit({ perSecond: config.callers.rate, burst: config.callers.rate });
  const audiences = ['', ...Object.keys(endpoints)].map((path) => `${config.brokerUrl}${path}`);
  const own = new ClientAuthentication({ clients, audiences, attempts: perCaller(), logger, nowMs });
  const handler = createHandler({
    issuer: config.brokerUrl,
    metadata: async () => {
      const tenantId = signInTenant(clients());
      const authorizationEndpoint = tenantId && (await entra.authorizationEndpoint(tenantId));
      return metadata(config.brokerUrl, { authorizationEndpoint, secrets: hasSecrets(clients()) });
    },
    endpoints: guarded(endpoints, guard),
    callers: new Callers({ issuer, audience, clients, keys, own }),
    perCaller: perCaller(),
    logger,
  });
  const upkeep = async () => {
    await guard.check();
    await sessions.revocation.sweep();
  };
  return { handler, upkeep, onReplaced: (listener: () => void) => guard.onReplaced(listener) };
}

/** The endpoints, each only while this process has the index key in use. */
function guarded(endpoints: Record<string, Endpoint>, guard: IndexGuard): Record<string, Endpoint> {
  const guardOne = (endpoint: Endpoint): Endpoint => {
    return (...asked) => guard.ready()?.then(() => endpoint(...asked)) ?? endpoint(...asked);
  };
  return Object.fromEntries(Object.entries(endpoints).map(([path, endpoint]) => [path, guardOne(endpoint)]));
}

/** Tells log and metrics, once each way, that the cluster's keys cannot be fetched: they may still be good for hours. */
function tellKeys(logger: Logger, nowMs: () => number): (error: unknown) => void {
  let failingSinceMs: number | undefined;
  watch('onbehalf.callers.keys_stale', () => (failingSinceMs === undefined ? 0 : (nowMs() - failingSinceMs) / 1_000));
  return (error) => {
    if (error === undefined) {
      if (failingSinceMs !== undefined)
        logger.info({ event: 'callers.keys_up', dependency: 'cluster-keys' }, "The cluster's keys are fetched again");
      failingSinceMs = undefined;
    } else if (failingSinceMs === undefined) {
      failingSinceMs = nowMs();
      const sentence = "The cluster's keys cannot be fetched: known ones stay good for a day, other callers get 503";
      const facts = { event: 'callers.keys_down', dependency: 'cluster-keys', reason: findReason(error), error };
      logger.error(facts, sentence);
    }
  };
}
