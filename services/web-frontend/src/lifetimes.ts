/** Requests of one session within this time share the broker's word of it: a sign-out elsewhere takes as long to reach them. */
export const sharedWordMs = 1_000;

/**
 * How often the broker is asked whether the session of an open stream lives. With the broker's own second to hear of an
 * end elsewhere, and its deadline of two to respond, a stream is closed within ten seconds.
 */
export const streamCheckMs = 5_000;

/** How long a JWT about a person is good, and how long the same one is used: clocks of upstreams differ. */
export const identity = { seconds: 120, reuseSeconds: 60 };

/** A key is in the ring ten seconds before it signs, and a verifier that does not know it asks anew. */
export const jwksSeconds = 300;
