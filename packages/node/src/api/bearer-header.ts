import type { RequestHandler } from 'express';
import { bearerChallenge } from '../core/challenge.ts';
import { Fault } from '../core/fault.ts';

/**
 * Lets a request pass that carries its token nowhere but in one `Authorization` header: URLs are written to logs, and
 * Node would take the first of two headers without a word. A parsed form is looked at too. RFC 6750 section 2,
 * RFC 9700 section 4.3.2. @throws Fault `invalid_request`.
 */
export const onlyBearerHeader: RequestHandler = (req, _res, next) => {
  if ((req.headersDistinct.authorization?.length ?? 0) > 1)
    throw refuse('There is more than one Authorization header.');
  if (hasToken(req.query) || hasToken(req.body)) throw refuse('The token belongs in the Authorization header.');
  next();
};

function hasToken(parameters: unknown): boolean {
  return typeof parameters === 'object' && parameters !== null && 'access_token' in parameters;
}

function refuse(description: string): Fault {
  return new Fault('invalid_request', description, {
    challenge: bearerChallenge({ error: 'invalid_request', error_description: description }),
  });
}
