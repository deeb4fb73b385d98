import { Fault, type FaultCode, faultCodes } from '../../packages/node/src/core/fault.ts';

export const errorsFile = 'docs/errors.md';

/** Of each code: what it means, and what a caller does. */
const meanings: Record<FaultCode, [means: string, caller: string]> = {
  invalid_request: ['a parameter is missing, twice, malformed, or where it may not be', 'mend the request'],
  invalid_client: ['the caller did not prove who it is', 'see its ServiceAccount token, secret or JWT'],
  unauthorized_client: [
    'the client may not use this grant, redirect URI or endpoint',
    "see the client's configuration",
  ],
  unsupported_grant_type: ['there is no such grant here', 'mend the request'],
  unsupported_token_type: ['an access token of Entra ID cannot be revoked', 'revoke the session'],
  invalid_scope: [
    'the client may not ask for these scopes, or Entra ID does not know them',
    "see the client's `scopes`",
  ],
  invalid_target: [
    "`resource` or `audience` names an API that none of the client's scopes is of",
    "see the client's `scopes`",
  ],
  not_found: ['there is nothing at this address, or no route of `APIS_FILE` leads there', 'mend the address'],
  method_not_allowed: ['this address does not take that method; `Allow` names those it takes', 'mend the request'],
  misdirected_request: [
    'no public URL of this site has this host',
    'use one of `PUBLIC_BASE_URLS`; behind a proxy, see that it keeps `Host`',
  ],
  content_too_large: ['the body is too large', 'send less'],
  unsupported_media_type: ['the content type, charset or encoding is not taken here', 'mend the request'],
  header_fields_too_large: ['the headers are too large, cookies among them', 'send less'],
  forbidden: [
    'the request does not come from a page of this site, or may not be made',
    'send `X-CSRF: 1` from a page of the site',
  ],
  invalid_grant: ['the session has ended, or the code or assertion is no good', 'have the person sign in'],
  invalid_token: ['the access token is no good here; `WWW-Authenticate` says why', 'get a new token'],
  insufficient_scope: ['the token lacks a scope or role; `WWW-Authenticate` names it', 'ask for that scope'],
  insufficient_claims: [
    'the API wants more of the person: `claims` in `WWW-Authenticate`',
    'get a token with these claims',
  ],
  interaction_required: [
    'Entra ID wants more of the person: `claims` says what',
    'send the person there with `claims`',
  ],
  consent_required: ['consent to `scope` is missing', 'send the person there with `scope`'],
  login_required: ['nobody is signed in, or Entra ID wants a new sign-in', 'have the person sign in'],
  access_denied: ['the person or Entra ID refused', 'tell the person; try again only when asked'],
  too_many_requests: ['the caller is too fast', 'wait for `Retry-After`'],
  throttled: ['Entra ID throttles', 'wait for `Retry-After`'],
  unavailable: [
    'Redis, Entra ID, the broker, an API or keys cannot be reached',
    'wait for `Retry-After`; nobody is signed out',
  ],
  bad_gateway: ['what an API sent is no HTTP response', 'tell who runs the API'],
  server_error: ['our own credential, configuration or code is broken', 'tell an operator the `trace_id`'],
};

/** The page of every error, made of the table of Faults. */
export function errorsPage(): string {
  const rows = faultCodes.map((code) => {
    const fault = new Fault(code, '');
    const [means, caller] = meanings[code];
    return `| ${fault.status} | \`${fault.toBody().error}\` | ${means} | ${caller} |`;
  });
  return `${head}\n| Status | \`error\` | Means | The caller should |\n|---|---|---|---|\n${[...new Set(rows)].join('\n')}\n`;
}

const head = `# Errors

One table for all services. A program gets JSON: \`error\`, \`error_description\` (what to do, in a sentence) and \`trace_id\`,
the reference by which the [log](runbook.md) and the trace viewer find the request; a 429 or 503 has \`Retry-After\`. A person gets a
page that says the same. An outage is never told as a refusal: whoever is signed in stays so.

The broker's further members (\`suberror\`, \`claims\`, \`error_codes\`) are in
[its page](../services/token-broker/README.md); what a script is told at \`/api\` is in [the BFF](bff.md).

This page is made of the table in \`packages/node/src/core/fault.ts\` by \`node tools/reference/write.ts\`.
`;
