import { parse } from 'node:querystring';
import type { z } from 'zod';
import { Fault } from '../../core/fault.ts';
import { readAtMost } from '../../core/wire/read-at-most.ts';
import { formMs } from '../../lifetimes.ts';
import type { WebRequest } from '../http/request.ts';

/** How large a form is, in bytes and in fields. */
const most = { bytes: 16_384, fields: 32 };

/**
 * Reads a small `application/x-www-form-urlencoded` body; one that a parser of the app has read already is taken as it is.
 * @throws Fault `unsupported_media_type`, `content_too_large`; `invalid_request` if it breaks off.
 */
export async function readForm(req: WebRequest & { body?: unknown }): Promise<unknown> {
  const { 'content-length': length, 'transfer-encoding': chunked } = req.headers;
  if (chunked === undefined && !(Number(length) > 0)) return {};
  refuseOtherTypes(req);
  if (req.readableEnded) return req.body;
  const text = await readText(req);
  const fields = parse(text, '&', '=', { maxKeys: most.fields + 1 });
  if (Object.values(fields).flat().length > most.fields) throw tooLarge();
  return fields;
}

/** Parses a query or form; a parameter given twice is no string. @throws Fault `invalid_request`. */
export function parseParameters<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const { success, data, error } = schema.safeParse(input ?? {});
  if (!success) throw new Fault('invalid_request', 'A parameter is missing, repeated or malformed.', { cause: error });
  return data;
}

function refuseOtherTypes({ headers }: WebRequest): void {
  const [type = '', ...parameters] = String(headers['content-type'] ?? '')
    .toLowerCase()
    .split(';');
  if (type.trim() !== 'application/x-www-form-urlencoded') {
    throw new Fault('unsupported_media_type', 'Send a form: application/x-www-form-urlencoded.');
  }
  const charset =
    parameters.map((one) => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(one)?.[1]).find(Boolean) ?? 'utf-8';
  if (charset === 'utf-8' && (headers['content-encoding'] ?? 'identity') === 'identity') return;
  throw new Fault('unsupported_media_type', 'The content type, charset or encoding is not supported here.');
}

async function readText(req: WebRequest): Promise<string> {
  const late = setTimeout(() => req.destroy(), formMs);
  try {
    const announced = Number(req.headers['content-length'] ?? 0);
    const body = announced > most.bytes ? undefined : req.iterator({ destroyOnReturn: false });
    const read = body && (await readAtMost(body, most.bytes));
    if (!read) throw tooLarge();
    return read.toString();
  } catch (cause) {
    // What is left of it is read and dropped, so that the browser hears the response.
    req.resume();
    throw cause instanceof Fault ? cause : new Fault('invalid_request', 'The request could not be read.', { cause });
  } finally {
    clearTimeout(late);
  }
}

const tooLarge = () => new Fault('content_too_large', 'The request body is too large.');
