import type { IncomingMessage } from 'node:http';
import { Fault } from '@onbehalf/node/core/fault';
import { withoutSpace } from '@onbehalf/node/core/optional-space';
import type { z } from 'zod';

const largestBodyBytes = 65_536;
/** No request needs a third of this. V8 keeps every name of an object until its next full collection. */
const mostParameters = 64;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parameters by name. The object has no prototype, so that it has no other names. */
export type Form = Readonly<Record<string, string | undefined>>;

/**
 * Reads an `application/x-www-form-urlencoded` body. RFC 6749 section 3.2: a parameter without a value counts as
 * absent, a parameter that is sent twice is an error.
 * @throws Fault `unsupported_media_type`, `content_too_large`, `invalid_request`, `invalid_target`.
 */
export async function readForm(req: IncomingMessage): Promise<Form> {
  if (!isForm(req.headers['content-type'] ?? '') || req.headers['content-encoding'] !== undefined) {
    throw new Fault('unsupported_media_type', 'Send the parameters as application/x-www-form-urlencoded.');
  }
  return parseForm(await readBody(req));
}

const formType = 'application/x-www-form-urlencoded';

function isForm(contentType: string): boolean {
  if (contentType === formType) return true;
  const [type = '', ...parameters] = contentType.toLowerCase().split(';');
  const charset = parameters.map(withoutSpace).find((one) => one.startsWith('charset='));
  return withoutSpace(type) === formType && (charset === undefined || /^charset="?utf-8"?$/.test(charset));
}

/** Uses events: an async iterator over a request costs as much as the rest of a request for a cached token. */
function readBody(req: IncomingMessage): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const tooLarge = () => reject(new Fault('content_too_large', `The body may hold ${largestBodyBytes} bytes.`));
  if (Number(req.headers['content-length'] ?? 0) > largestBodyBytes) tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > largestBodyBytes) tooLarge();
    else chunks.push(chunk);
  });
  req.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
  req.on('error', (cause) => reject(new Fault('invalid_request', 'The body is incomplete.', { cause })));
  return promise;
}

/** Exported for its fuzz test. @throws Fault `invalid_request`, `invalid_target`. */
export function parseForm(body: Buffer): Form {
  const form: Record<string, string> = Object.create(null);
  const pairs = decodeText(body).split('&', mostParameters + 1);
  if (pairs.length > mostParameters) {
    throw new Fault('invalid_request', `The body may hold ${mostParameters} parameters.`);
  }
  for (const pair of pairs) {
    if (pair === '') continue;
    const split = pair.indexOf('=');
    const name = decode(split < 0 ? pair : pair.slice(0, split));
    const value = split < 0 ? '' : decode(pair.slice(split + 1));
    if (value === '') continue;
    if (form[name] !== undefined) throw sentTwice(name);
    form[name] = value;
  }
  return form;
}

/** RFC 8707 section 2 allows several targets, and a server that refuses them. Entra's tokens are for one API. */
function sentTwice(name: string): Fault {
  if (name !== 'resource' && name !== 'audience') {
    return new Fault('invalid_request', 'A parameter was sent more than once.');
  }
  return new Fault('invalid_target', 'A token is for one API: send resource and audience once.');
}

/** The body as text. @throws Fault `invalid_request` if it has invalid UTF-8 or NUL. */
function decodeText(body: Buffer): string {
  try {
    const text = decoder.decode(body);
    if (!text.includes('\0')) return text;
  } catch {
    // The error of the decoder would quote the input.
  }
  throw notText();
}

/** Percent-decoding that refuses invalid escapes and invalid UTF-8; URLSearchParams would replace them. */
function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    const value = decodeURIComponent(text.replaceAll('+', ' '));
    if (!value.includes('\0')) return value;
  } catch {
    // Its error says nothing more.
  }
  throw notText();
}

function notText(): Fault {
  return new Fault('invalid_request', 'A parameter is not valid percent-encoded UTF-8.');
}

/**
 * Parses the parameters of a form by a schema of strings. Unknown parameters are ignored: RFC 6749 section 3.2.
 * @throws Fault `invalid_request` with the name of the parameter.
 */
export function parameters<S extends z.ZodType>(schema: S, form: Form): z.output<S> {
  const result = schema.safeParse(form, { reportInput: true });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const name = issue?.path.join('.') || 'the parameters';
  const missing = issue?.code === 'invalid_type' && issue.input === undefined;
  throw new Fault(
    'invalid_request',
    missing ? `The parameter ${name} is missing.` : `${name}: ${issue?.message ?? 'is not valid'}.`,
  );
}
