import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Fault } from '@onbehalf/node/core/fault';

const limits = { wireBytes: 4 * 2 ** 20, inflatedBytes: 16 * 2 ** 20 };
const inflate = promisify(gunzip);

/**
 * The whole body of a request, inflated if it is gzip.
 * @throws Fault `content_too_large` over 4 MiB on the wire or 16 MiB inflated, `unsupported_media_type` for any other
 * coding, `invalid_request` for broken gzip.
 */
export async function readBody(req: IncomingMessage): Promise<Buffer> {
  const coding = req.headers['content-encoding'] ?? 'identity';
  if (coding !== 'gzip' && coding !== 'identity') {
    throw new Fault('unsupported_media_type', 'The only content coding understood here is gzip.');
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Beyond the limit it is read and dropped: a cut connection would hide the response from the sender.
    if (size <= limits.wireBytes) chunks.push(chunk);
  }
  if (size > limits.wireBytes) throw new Fault('content_too_large', 'An export may have 4 MiB.');
  const body = Buffer.concat(chunks);
  if (coding === 'identity') return body;
  try {
    return await inflate(body, { maxOutputLength: limits.inflatedBytes });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new Fault('content_too_large', 'An export may have 16 MiB inflated.', { cause });
    }
    throw new Fault('invalid_request', 'The body is not gzip.', { cause });
  }
}
