/** Session calls: the broker responds from memory or Redis (250 ms a command). Token calls: from Entra (8 s in all). */
export const brokerDeadlineMs = { session: 2_000, token: 9_000 };

/** After three calls in a row without a response, one call a second reaches the other side; others are refused at once. */
export const breaker = { failures: 3, openMs: 1_000 };

/** When to come back, where nobody says. */
export const retryAfterSeconds = 2;

/** How long a person may take at Entra, second factor and password reset included. */
export const loginSeconds = 15 * 60;

/** From the callback to the first page after it, which belongs to the same trace. */
export const landingSeconds = 30;

/** Login attempts a browser may have open at once; the oldest goes. Keeps the Cookie header far below 8 KB. */
export const maxLogins = 5;

/** A sealed challenge travels in a link that a person may leave open as long as a sign-in. */
export const challengeSeconds = loginSeconds;

/** The same step-up for the same target within this time is a loop: a page, no redirect. */
export const stepUpLoopSeconds = 5 * 60;

/** Shown once on the page after sign-out; Entra's own sign-out page takes some seconds. */
export const noticeSeconds = 5 * 60;

/** Longer than ten seconds nobody keeps their mind on a page (Nielsen, "Response Times", 1993). More than a token call. */
export const pageMs = 9_500;

/** Entra's discovery document: fetched again hourly; after a failure at most once a second. */
export const discovery = { deadlineMs: 3_000, freshMs: 60 * 60_000, retryMs: 1_000 };

/** How long a browser may pause in sending to an API or in reading its response: a download that waits for its user. */
export const longestPauseMs = 15 * 60_000;

/** A form is small: a person's browser sends it in less time. */
export const formMs = 20_000;

/**
 * A sign-out that the broker could not confirm is tried again for this long, this often, and when the process ends
 * for as long as the longest drain leaves of a pod's grace.
 */
export const revocationRetry = { forMs: 60_000, everyMs: 2_000, lastMs: 2_000, lastEveryMs: 200 };
