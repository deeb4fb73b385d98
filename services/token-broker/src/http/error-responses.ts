import { z } from 'zod';

/** By status. The README says what each code means. */
export const errors: Record<number, { description: string; words: string[] }> = {
  400: {
    description: 'The request or its grant is not valid',
    words: [
      ...['invalid_request', 'unsupported_grant_type', 'invalid_scope', 'invalid_target', 'unsupported_token_type'],
      ...['unauthorized_client', 'invalid_grant', 'login_required', 'interaction_required', 'consent_required'],
    ],
  },
  401: { description: 'The caller is not authenticated', words: ['invalid_client'] },
  408: { description: 'The request did not come in time', words: ['invalid_request'] },
  413: { description: 'The form is too large', words: ['invalid_request'] },
  415: { description: 'The body is no form', words: ['invalid_request'] },
  429: { description: 'The caller sends too many requests, or Entra ID throttles', words: ['temporarily_unavailable'] },
  431: { description: 'The header is too large', words: ['invalid_request'] },
  500: { description: 'The credential or the configuration of the broker is wrong', words: ['server_error'] },
  503: { description: 'Redis, Entra ID or signing keys cannot be reached', words: ['temporarily_unavailable'] },
};

/** The body of an error with one of these words. */
export const toErrorSchema = (words: string[]) =>
  z.object({
    error: z.enum(words),
    error_description: z.string(),
    suberror: z.string().optional(),
    claims: z.string().optional(),
    scope: z.string().optional(),
    error_codes: z.array(z.int()).optional(),
    correlation_id: z.string().optional(),
    trace_id: z.string().optional().meta({ description: 'Absent only if the request could not be read' }),
  });

const retryAfter = {
  'Retry-After': {
    description: 'Seconds to wait (RFC 9110 section 10.2.3)',
    required: true,
    schema: { type: 'integer', minimum: 1 },
  },
};
/** The headers that errors of a status have. */
export const headers: Record<number, object> = {
  401: {
    'WWW-Authenticate': {
      description: 'RFC 9110 section 11.6.1',
      required: true,
      schema: { type: 'string', pattern: '^Basic realm=' },
    },
  },
  429: retryAfter,
  503: retryAfter,
};
