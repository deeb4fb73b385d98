import { claimsChallenge, insufficientClaims } from '@onbehalf/node/core/challenge';
import { Fault } from '@onbehalf/node/core/fault';
import { createHttpClient, laterFault, unavailable } from '@onbehalf/node/core/http-client';
import type { Log } from '@onbehalf/node/core/log';
import { tellOutages } from '@onbehalf/node/core/outages';
import { z } from 'zod';

const deadlineMs = 5_000;

const profile = z.object({
  displayName: z.string().nullable(),
  userPrincipalName: z.string(),
  mail: z.string().nullish(),
});

export type Graph = ReturnType<typeof createGraph>;

const away = 'Microsoft Graph is not available. Try again.';

/** Microsoft Graph, asked on behalf of a person. */
export function createGraph({ baseUrl, log }: { baseUrl: string; log: Log }) {
  const http = createHttpClient({ says: away });
  const ask = tellOutages('microsoft-graph', log, async (path: string, headers: Record<string, string>) => {
    const response = await http(`${baseUrl}${path}`, { headers }, { deadlineMs });
    const later = laterFault(response);
    // To our own caller too many requests are ours, not theirs.
    if (later?.retryAfterSeconds) throw unavailable(later, later.retryAfterSeconds, away);
    return response;
  });
  return {
    /**
     * The person's own profile, by a token for Graph. Learn: "Get a user".
     * @throws Fault `insufficient_claims` if Graph challenges the token (CAE), `unavailable`, `forbidden`, `server_error`.
     */
    async me(accessToken: string) {
      const response = await ask('/v1.0/me', { Authorization: `Bearer ${accessToken}` });
      const body: unknown = await response.json().catch(() => undefined);
      if (response.status === 200) return profile.parse(body);
      const claims = claimsChallenge(response.headers.get('www-authenticate'));
      // The person's sign-in no longer satisfies Graph: only a new sign-in can change that.
      if (claims) throw insufficientClaims(claims);
      if (response.status === 403) throw new Fault('forbidden', 'Microsoft Graph refuses this person.');
      throw new Fault('server_error', `Microsoft Graph responded with ${response.status}.`);
    },
  };
}
