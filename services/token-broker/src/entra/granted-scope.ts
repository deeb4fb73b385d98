/** MSAL adds these to every request for a person, and Entra returns them among the granted scopes. */
const openidScopes = new Set(['openid', 'profile', 'email', 'offline_access']);

/** The members of a token response that show the granted scopes. */
type Granted = { scope?: string | undefined; id_token?: string | undefined; refresh_token?: string | undefined };

/**
 * The scopes that were both requested and granted, spelled as in the request. Entra returns all scopes that the person
 * ever consented to, in its own spelling, and OpenID scopes that MSAL requested. For `.default` the result has all
 * scopes that Entra returns. RFC 6749 section 5.1. Entra's `scope` never has `offline_access`: the refresh token shows it.
 */
export function grantedScope(requested: string[], { scope, id_token, refresh_token }: Granted): string {
  if (scope === undefined) return requested.join(' ');
  const given = scope.split(' ').filter(Boolean);
  if (id_token !== undefined) given.push('openid');
  if (refresh_token !== undefined) given.push('offline_access');
  const names = new Set(given.map(toName));
  const granted = requested.filter((one) => names.has(toName(one)));
  const all = requested.some((one) => toName(one) === '.default');
  const more = all ? given.filter((one) => !openidScopes.has(one)) : [];
  return [...new Set([...granted, ...more])].join(' ') || requested.join(' ');
}

/** The scope without its resource: a token is for one resource, so its scopes differ in their names only. */
function toName(scope: string): string {
  return scope.slice(scope.lastIndexOf('/') + 1).toLowerCase();
}
