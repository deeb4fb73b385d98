/** Every duration of the broker, with its reason. Seconds unless the name says otherwise. */

/** MSAL's own renewal margin: a token with less left is not a hit (msal-node `RENEWAL_OFFSET`). */
export const hitMarginSeconds = 300;

/** What a stored token must have left to be served while Entra cannot give a new one. */
export const staleMarginSeconds = 60;

/** Where Entra gives no `refresh_in`, a token in use is refreshed at this part of its life, jittered. */
export const refreshPoint = 0.8;
export const refreshJitter = 0.1;

/** A lease dies with its holder, not with a slow Entra: it is renewed three times in its life. */
export const leaseMs = 3_000;
export const leaseRenewMs = 1_000;

/** How long a flight waits for another pod's call; as long as that call may take. */
export const waitMs = 8_000;

/** One deadline over a call to Entra, its retry and the retry with another credential. */
export const entraDeadlineMs = 8_000;
export const entraConnectMs = 2_000;

/** Entra's authorization codes live 10 minutes; the ledger of spent ones as long. */
export const codeLedgerMs = 600_000;

/** The longest life of an access token (CAE: 28 h, Learn "Configurable token lifetimes"), so of an OBO assertion. */
export const assertionLifeMs = 28 * 3_600_000;

/**
 * For so long after an end a token that Entra issues now may say that it was issued before it: Entra dates `iat` back by
 * 5 minutes (`exp` - `iat` exceeds `expires_in` by 300), and its clock may be behind ours by as much as it allows.
 */
export const backdatingSeconds = 600;

/** A mark of an end that was broken off is kept as long as anything it has yet to end. */
export const endingMarkMs = assertionLifeMs;
/** An end takes milliseconds; one that is not done after this was broken off, and any pod resumes it. */
export const endingDueSeconds = 3;
/** Every pod looks for such ends this often, and at its start. */
export const upkeepMs = 2_000;
/** An end announces itself before its mark is there; without a mark by now it never began. A mark under a sealing key that
 *  this pod has yet to get looks absent: mounted rings differ for two minutes at most. */
export const endingForgottenSeconds = 300;

/** How long an access token that was found good is not verified again: Entra may withdraw the key that signed it. */
export const accessTokenVerdictMs = 60_000;

/** The record of the index key in use lives twice as long as anything that a former key named; pods write it hourly. */
export const indexRecordMs = 2 * assertionLifeMs;
export const indexTouchMs = 3_600_000;

/** Pub/sub is at-most-once: what a session or a token is good for is read again after this, whatever the channel says. */
export const sessionRecheckMs = 10_000;

/** `last seen` is written at most once per this part of the idle limit. */
export const touchPart = 0.1;

/** How long a refusal is remembered, by class. */
export const throttleDefaultSeconds = 60;
export const loopBackOffSeconds = { first: 60, longest: 300 };
export const transientBackOffSeconds = { first: 5, longest: 60 };
/** By how much of itself a back-off may be shorter. */
export const backOffJitter = 0.2;
/**
 * A loop may cost one call in so long. `sign_in` only a sign-in changes, which voids it. What somebody may mend at Entra
 * or in our files at any moment stands shortly; `code` stands beside the ledger of spent codes.
 */
export const refusalSeconds = {
  ...{ interaction: 30, consent: 30, scope: 60, sign_in: 3_600, revoked: 60, assertion: 60, code: 60 },
  ...{ credential: 10, configuration: 30 },
} as const;
/** How long a sign-in voids what was refused before it: longer than `interaction` and `consent` stand, which it mends. */
export const signInMarkMs = 60_000;
/** A credential that Entra refused is tried again this often. */
export const credentialCooldownSeconds = 30;
/**
 * For this long after Entra accepted a credential, a refusal of it may be wrong: a change of a federated credential
 * reaches all servers of Entra within minutes (Learn, "Important considerations and restrictions for federated identity
 * credentials"), and until then some servers refuse a credential that others accept.
 */
export const credentialAcceptedMs = 300_000;
/** If a single server of Entra may be wrong, the request is sent again after this time; another server may get it. */
export const credentialRetryMs = 300;

/** Discovery documents hardly ever change. For one that nobody can read Entra is asked again so much later. */
export const discoveryMs = 3_600_000;
export const discoveryRetryMs = 2_000;

/** A certificate assertion is valid for 10 minutes (RFC 7523 advises short) and reused for 8. */
export const certificateAssertionSeconds = 600;
export const certificateReuseMs = 480_000;

/** Redis: one connection attempt, and how much longer than a command may take a connection may be silent. */
export const redisConnectMs = 500;
export const redisSilenceMs = 350;
export const redisPingMs = 200;
/** How long after losing a node the cluster's layout is read again: about as long as a replica takes to take over. */
export const redisTopologyMs = 500;
/** At the start a cluster's client waits for each node; after this its layout is read again: one may have gone. */
export const redisDiscoveryMs = 5_000;
/** What is written to find out whether it may be written stays for so long, if we die over it. */
export const redisProbeMs = 10_000;
/** While Redis refuses us something, it is tried again this often: somebody is mending it. */
export const redisRightsMs = 5_000;
/** What a caller is told to wait while Redis is away. */
export const redisRetryAfterSeconds = 2;

/** The longest life of an assertion that a client signs with a key of its own: as that of a ServiceAccount. */
export const ownAssertionLifeSeconds = 600;

/** A caller's clock may be off by so much, as at an API: an assertion lives ten minutes. */
export const callersClockToleranceSeconds = 60;
/** The cluster's signing keys: what a fetch may take, and how soon another unknown key may cause the next. */
export const clusterKeysTimeoutMs = 2_000;
export const clusterKeysCooldownMs = 10_000;
/** They are fetched again after this, so that a key withdrawn from the cluster verifies nobody for longer. */
export const clusterKeysMaxAgeMs = 600_000;
/**
 * While its issuer gives none, the keys at hand stay good for so long: an upgrade of a control plane takes hours, and
 * keys change once a year. Longer, and whoever keeps us from the issuer would keep a stolen key alive.
 */
export const clusterKeysStaleMs = 86_400_000;

/** A mounted `clients.json` is looked at this often. */
export const clientsReloadMs = 5_000;

/** Each pod hears its own heartbeat on the channel, or knows that it is deaf; then it subscribes anew. */
export const heartbeatMs = 1_000;
export const channelReopenMs = 5_000;

/** After Entra gave no token for Redis, it is asked again this often. */
export const redisTokenRetryMs = 1_000;
/** Mounted files of the connection to Redis are looked at this often; the kubelet takes up to a minute to swap one. */
export const redisFilesMs = 1_000;
/** Sentinels are asked this often who the master is, besides whenever it fails us; an election takes them longer. */
export const redisSentinelMs = 500;
