/** Every duration of the broker, with its reason. Seconds unless the name says otherwise. */

/** MSAL's own renewal margin: a token with less left is not a hit (msal-node `RENEWAL_OFFSET`). */
export const hitMarginSeconds = 300;

/** A stored token with at least this left is served while no new one can be acquired. */
export const staleMarginSeconds = 60;

/** Where Entra gives no `refresh_in`, a token in use is refreshed at this part of its life, jittered. */
export const refreshPoint = 0.8;
export const refreshJitter = 0.1;

/** A lease is renewed while its holder lives, however slow Entra is. A lease of a dead pod ends soon. */
export const leaseMs = 3_000;
export const leaseRenewMs = 1_000;

/** How long a flight waits for the call of another pod: as long as that call may take. */
export const waitMs = 8_000;

/** The deadline of a call to Entra, including its retries with the same and with other credentials. */
export const entraDeadlineMs = 8_000;
export const entraConnectMs = 2_000;

/** Entra's authorization codes live 10 minutes; so does the record that a code was used. */
export const codeLedgerMs = 600_000;

/** The longest life of an access token (CAE: 28 h, Learn "Configurable token lifetimes"), so of an OBO assertion. */
export const assertionLifeMs = 28 * 3_600_000;

/**
 * For this long after an end, a token that Entra issues may have an `iat` before the end: Entra dates `iat` back by 5
 * minutes (`exp` - `iat` exceeds `expires_in` by 300), and its clock may be 5 minutes behind ours.
 */
export const backdatingSeconds = 600;

/** The mark of an unfinished end is kept as long as any token that the end has to revoke. */
export const endingMarkMs = assertionLifeMs;
/** An end takes milliseconds. After this time it counts as broken off, and any pod resumes it. */
export const endingDueSeconds = 3;
/** How often every pod looks for such ends, and also at its start. */
export const upkeepMs = 2_000;
/** An end is announced before its mark is written; without a mark after this time it never began. A mark that is sealed
 *  with a key that this pod does not have yet looks absent: mounted rings differ for two minutes at most. */
export const endingForgottenSeconds = 300;

/** How long the result of verifying an access token is used: Entra may withdraw the key that signed it. */
export const accessTokenVerdictMs = 60_000;

/** The record of the index key lives twice as long as anything under a former key; pods write it hourly. */
export const indexRecordMs = 2 * assertionLifeMs;
export const indexTouchMs = 3_600_000;

/** Pub/sub may lose messages: sessions and tokens in L1 are read from Redis again after this time. */
export const sessionRecheckMs = 10_000;

/** `last seen` is written at most once per this part of the idle limit. */
export const touchPart = 0.1;

/** How long a refusal is remembered, by class. */
export const throttleDefaultSeconds = 60;
export const loopBackOffSeconds = { first: 60, longest: 300 };
export const transientBackOffSeconds = { first: 5, longest: 60 };
/** The part by which a back-off may be shorter, at random. */
export const backOffJitter = 0.2;
/**
 * A caller that repeats a refused request causes one call to Entra in this time. `sign_in` is long: only a sign-in changes
 * it, and voids it. Refusals that somebody may fix at Entra or in our files at any moment are short. `code` only adds to
 * the record of used codes.
 */
export const refusalSeconds = {
  ...{ interaction: 30, consent: 30, scope: 60, sign_in: 3_600, revoked: 60, assertion: 60, code: 60 },
  ...{ credential: 10, configuration: 30 },
} as const;
/** How long a sign-in voids earlier refusals: longer than `interaction` and `consent` last, which it may fix. */
export const signInMarkMs = 60_000;
/** How often a credential that Entra refused is tried again. */
export const credentialCooldownSeconds = 30;
/**
 * For this long after Entra accepted a credential, a refusal of it may be wrong: a change of a federated credential
 * reaches all servers of Entra within minutes (Learn, "Important considerations and restrictions for federated identity
 * credentials"), and until then some servers refuse a credential that others accept.
 */
export const credentialAcceptedMs = 300_000;
/** If a single server of Entra may be wrong, the request is sent again after this time, perhaps to another server. */
export const credentialRetryMs = 300;

/** Discovery documents hardly ever change. One that cannot be read is requested again after `discoveryRetryMs`. */
export const discoveryMs = 3_600_000;
export const discoveryRetryMs = 2_000;

/** A certificate assertion is valid for 10 minutes (RFC 7523 advises short) and reused for 8. */
export const certificateAssertionSeconds = 600;
export const certificateReuseMs = 480_000;

/** Redis: the time for one connection attempt, and how much longer than a command a connection may be silent. */
export const redisConnectMs = 500;
export const redisSilenceMs = 350;
export const redisPingMs = 200;
/** After losing a node, the layout of the cluster is read again after this time: a replica needs it to take over. */
export const redisTopologyMs = 500;
/** At the start the client of a cluster waits for each node. After this time it reads the layout again: a node may be gone. */
export const redisDiscoveryMs = 5_000;
/** The TTL of the keys that are written to check the rights in Redis. */
export const redisProbeMs = 10_000;
/** How often missing rights in Redis are checked again. */
export const redisRightsMs = 5_000;
/** `Retry-After` while Redis is away. */
export const redisRetryAfterSeconds = 2;

/** The longest life of an assertion that a client signs with its own key: like that of a ServiceAccount token. */
export const ownAssertionLifeSeconds = 600;

/** The clock of a caller may differ by this much, as at an API: an assertion lives ten minutes. */
export const callersClockToleranceSeconds = 60;
/** The signing keys of the cluster: the deadline of a fetch, and the pause before an unknown key causes the next fetch. */
export const clusterKeysTimeoutMs = 2_000;
export const clusterKeysCooldownMs = 10_000;
/** They are fetched again after this, so that a key withdrawn from the cluster verifies nobody for longer. */
export const clusterKeysMaxAgeMs = 600_000;
/**
 * While the issuer cannot be reached, the known keys stay valid for this time: an upgrade of a control plane takes hours,
 * and keys change once a year. A longer time would let an attacker who blocks the issuer use a stolen key.
 */
export const clusterKeysStaleMs = 86_400_000;

/** How often a mounted `clients.json` is read. */
export const clientsReloadMs = 5_000;

/** A pod that does not receive its own heartbeat on the channel knows that the channel is down; then it subscribes again. */
export const heartbeatMs = 1_000;
export const channelReopenMs = 5_000;

/** How often a token for Redis is requested again after Entra refused it. */
export const redisTokenRetryMs = 1_000;
/** How often the mounted files for Redis are read; the kubelet takes up to a minute to replace one. */
export const redisFilesMs = 1_000;
/** How often the sentinels are asked for the master, and also when it fails; an election takes longer. */
export const redisSentinelMs = 500;
