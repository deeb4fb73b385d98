import express, { type RequestHandler } from 'express';
import type { z } from 'zod';
import { Fault } from '../../core/fault.ts';
import { formMs } from '../../lifetimes.ts';

/** Reads a small `application/x-www-form-urlencoded` body. @throws Fault `unsupported_media_type`, `content_too_large`. */
export const formBody: RequestHandler[] = [
  (req, _res, next) => {
    const late = setTimeout(() => req.destroy(), formMs);
    req.once('close', () => clearTimeout(late)).once('end', () => clearTimeout(late));
    next();
  },
  (req, _res, next) => {
    const empty = req.headers['content-length'] === '0';
    if (!empty && req.is('application/x-www-form-urlencoded') === false) {
      throw new Fault('unsupported_media_type', 'Send a form: application/x-www-form-urlencoded.');
    }
    next();
  },
  express.urlencoded({ extended: false, limit: '16kb', parameterLimit: 32 }),
];

/** Parses a query or form; a parameter given twice is no string. @throws Fault `invalid_request`. */
export function parseParameters<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const { success, data, error } = schema.safeParse(input ?? {});
  if (!success) throw new Fault('invalid_request', 'A parameter is missing, repeated or malformed.', { cause: error });
  return data;
}
