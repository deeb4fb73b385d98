/**
 * Whether a token is a JWT, as Entra's access tokens are. A session token has no dots: it is 32 random bytes in base64url.
 */
export function isJwt(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);
}
