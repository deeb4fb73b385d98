/** RFC 8693 section 2.1, RFC 7523 section 2.1. */
export const grants = {
  exchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
  jwtBearer: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
};

/** Of the emulator's seed: what people, APIs and jobs ask for. */
export const apiScope = 'api://onbehalf-api/access_as_user';
export const graphScope = 'https://graph.microsoft.com/User.Read';
export const appScope = 'api://onbehalf-api/.default';
