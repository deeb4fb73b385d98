import type { App, Platform } from './seed.ts';

/**
 * The platform for which an app registered a redirect URI; undefined if for none. The port of a loopback address over
 * http does not count (RFC 8252 section 7.3, as Entra).
 */
export function findPlatform(app: App, uri: string): Platform | undefined {
  const plain = withoutLoopbackPort(uri);
  const isIn = (uris: string[]) => plain !== undefined && uris.some((each) => withoutLoopbackPort(each) === plain);
  if (isIn(app.redirectUris)) return 'web';
  if (isIn(app.spaRedirectUris)) return 'spa';
  return isIn(app.publicRedirectUris) ? 'public' : undefined;
}

function withoutLoopbackPort(uri: string): string | undefined {
  if (!URL.canParse(uri)) return undefined;
  const url = new URL(uri);
  if (url.protocol === 'http:' && ['localhost', '127.0.0.1'].includes(url.hostname)) url.port = '';
  return url.href;
}
