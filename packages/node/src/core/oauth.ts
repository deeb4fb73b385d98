/** Grant types. RFC 6749 section 4, RFC 8693 section 2.1, RFC 7523 section 2.1. */
export const grantTypes = {
  authorization_code: 'authorization_code',
  token_exchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
  jwt_bearer: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  client_credentials: 'client_credentials',
  /** With a process token: RFC 6749 section 6. */
  refresh_token: 'refresh_token',
  /** Entra's: an agent as the user that belongs to it. */
  user_fic: 'user_fic',
} as const;

/** A token of a kind that the other side knows by itself. RFC 8693 section 3. */
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

/** A token that goes on acquiring others: of the broker, a process token. RFC 8693 section 3. */
export const refreshTokenType = 'urn:ietf:params:oauth:token-type:refresh_token';

/** How a client proves itself by a JWT. RFC 7523 section 2.2. */
export const clientAssertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
