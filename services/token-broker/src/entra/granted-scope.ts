/** What MSAL adds to every request of a person's, and Entra repeats with what else it knows of them. */
const openidScopes = new Set(['openid', 'profile', 'email', 'offline_access']);

/** The members of Entra's token response that tell what was given. */
type Given = { scope?: string | undefined; id_token?: string | undefined; refresh_token?: string | undefined };

/**
 * The scopes that were both asked and given, in the words that were asked: Entra answers with all that the person ever
 * consented to, in spellings of its own, and with OpenID scopes that MSAL asked for. What `.default` stands for is as
 * Entra tells it. RFC 6749 section 5.1; `offline_access` is never in Entra's `scope`, the refresh token is.
 */
export function grantedScope(asked: string[], { scope, id_token, refresh_token }: Given): string {
  if (scope === undefined) return asked.join(' ');
  const given = scope.split(' ').filter(Boolean);
  if (id_token !== undefined) given.push('openid');
  if (refresh_token !== undefined) given.push('offline_access');
  const names = new Set(given.map(nameOf));
  const granted = asked.filter((one) => names.has(nameOf(one)));
  const all = asked.some((one) => nameOf(one) === '.default');
  const more = all ? given.filter((one) => !openidScopes.has(one)) : [];
  return [...new Set([...granted, ...more])].join(' ') || asked.join(' ');
}

/** A token is for one resource, so that its scopes differ in their names alone. */
function nameOf(scope: string): string {
  return scope.slice(scope.lastIndexOf('/') + 1).toLowerCase();
}
