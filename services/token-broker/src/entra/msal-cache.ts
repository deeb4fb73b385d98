import type { ICachePlugin, TokenCacheContext } from '@azure/msal-node';

/**
 * The MSAL cache of one operation. It does no I/O: the caller reads the content before the operation and writes it
 * after, under the lease. Access and ID tokens are left out: the broker keeps them as records of their own.
 */
export class MsalCache implements ICachePlugin {
  content: string;

  constructor(content = '') {
    this.content = content;
  }

  async beforeCacheAccess({ tokenCache }: TokenCacheContext): Promise<void> {
    if (this.content !== '') tokenCache.deserialize(this.content);
  }

  async afterCacheAccess({ tokenCache, cacheHasChanged }: TokenCacheContext): Promise<void> {
    if (!cacheHasChanged) return;
    const { Account, RefreshToken, AppMetadata } = JSON.parse(tokenCache.serialize());
    this.content = JSON.stringify({ Account, IdToken: {}, AccessToken: {}, RefreshToken, AppMetadata });
  }
}
