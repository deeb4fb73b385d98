import { notListed } from '@onbehalf/node/core/wire/header-name';

/** What proxies in front of an app state of people, by the proxy that began it. */
const stated = {
  servers: 'authorization|cookie2|(x-)?remote-?(user|name|email|groups?|addr|.*-.*)|(x-)?logon-?user|auth-(type|user)',
  proxies: 'x-auth(-.*)?|x-(authenticated|authentik|webauth|vouch|pomerium|consumer|credential)(-.*)?|x-identity(-.*)?',
  people: 'x-(user|userid|username|userinfo|login|email|mail|groups?|roles?|principal|account|subject|tenant)(-.*)?',
  tokens:
    'x-(access|id|bearer|oidc|jwt|auth)-(token|assertion|payload|data|identity|claims)(-.*)?|x-(jwt|token|oidc-.*)',
  clouds: 'x-goog-(authenticated|iap|firebase)-.*|x-amzn-(oidc|mtls|ava)-.*|x-endpoint-api-userinfo|cf-access-.*',
  products: '(oidc|mellon|shib|saml|sm|iv|tailscale|authelia|authentik|teleport|ory|kong|kanidm|impersonate)-.*',
  /** How often the request has been here is ours to say. RFC 8586. */
  loop: 'cdn-loop',
};
const { hop, protocol, origin, proxies, certificates, trace, detour } = notListed;
const fromOutside = [hop, protocol, origin, proxies, certificates, trace, detour, ...Object.values(stated)];
const anyFromOutside = new RegExp(`^(${fromOutside.join('|')})$`);

/** Strangers may invent names for ever; browsers send the same forty. */
const mostRemembered = 2_000;
const remembered = new Map<string, boolean>();

/**
 * Whether a request's header goes no further, by its name as it came: it is of one hop, says who asks or from where, or
 * has another request meant. CGI, WSGI and PHP read `X_Auth_User` and `X.Auth.User` as `X-Auth-User`, so that all of them are it.
 */
export function isFromOutside(name: string): boolean {
  const known = remembered.get(name);
  if (known !== undefined) return known;
  const verdict = anyFromOutside.test(name.toLowerCase().replace(/[^a-z0-9]/g, '-'));
  if (remembered.size < mostRemembered) remembered.set(name, verdict);
  return verdict;
}
