/** Session calls: the broker responds from memory or Redis (250 ms a command). Token calls: from Entra (8 s in all). */
export const brokerDeadlineMs = { session: 2_000, token: 9_000 };

/** After three calls in a row without a response, one call a second reaches the other side; others are refused at once. */
export const breaker = { failures: 3, openMs: 1_000 };

/** When to come back, where nobody says. */
export const retryAfterSeconds = 2;
