/**
 * Every way a request can fail, in one table: its HTTP status, the `error` word on the wire (RFC 6749 section 5.2,
 * RFC 6750 section 3.1, RFC 8707 section 2, OIDC Core section 3.1.2.6; the code itself where not said) and how loud the log is.
 */
const table = {
  // The caller is wrong.
  invalid_request: { status: 400, level: 'info' },
  invalid_client: { status: 401, level: 'warn' },
  unauthorized_client: { status: 400, level: 'warn' },
  unsupported_grant_type: { status: 400, level: 'info' },
  unsupported_token_type: { status: 400, level: 'info' },
  invalid_scope: { status: 400, level: 'info' },
  invalid_target: { status: 400, level: 'info' },
  not_found: { status: 404, level: 'info' },
  method_not_allowed: { status: 405, level: 'info' },
  misdirected_request: { status: 421, error: 'invalid_request', level: 'info' },
  content_too_large: { status: 413, error: 'invalid_request', level: 'info' },
  unsupported_media_type: { status: 415, error: 'invalid_request', level: 'info' },
  header_fields_too_large: { status: 431, error: 'invalid_request', level: 'info' },
  forbidden: { status: 403, level: 'info' },
  // The grant, session or token is no longer good.
  invalid_grant: { status: 400, level: 'info' },
  invalid_token: { status: 401, level: 'info' },
  insufficient_scope: { status: 403, level: 'info' },
  insufficient_claims: { status: 401, level: 'info' },
  // The person has to do something.
  interaction_required: { status: 400, level: 'info' },
  consent_required: { status: 400, level: 'info' },
  login_required: { status: 400, level: 'info' },
  access_denied: { status: 403, level: 'info' },
  // Later may be better. What is away is logged once, where it went away, not with every request it fails.
  too_many_requests: { status: 429, error: 'temporarily_unavailable', level: 'info' },
  throttled: { status: 429, error: 'temporarily_unavailable', level: 'debug' },
  unavailable: { status: 503, error: 'temporarily_unavailable', level: 'debug' },
  // What we stand before is broken.
  bad_gateway: { status: 502, error: 'server_error', level: 'warn' },
  // We are broken.
  server_error: { status: 500, level: 'error' },
} as const satisfies Record<string, { status: number; error?: string; level: 'debug' | 'info' | 'warn' | 'error' }>;

export type FaultCode = keyof typeof table;

/** Further members of an OAuth error response, as the broker's README names them; absent ones are left out. */
export type FaultMembers = {
  suberror?: string | undefined;
  claims?: string | undefined;
  scope?: string | undefined;
  error_codes?: number[] | undefined;
  correlation_id?: string | undefined;
};

type FaultOptions = FaultMembers & {
  cause?: unknown;
  retryAfterSeconds?: number | undefined;
  /** The whole value of `WWW-Authenticate`. */
  challenge?: string | undefined;
  /** The value of `Allow` of a 405. */
  allow?: string | undefined;
};

const ourSide = 'Something went wrong on our side.';

/**
 * The one error of this project. `message` is shown to callers as `error_description`, so it says what to do and holds
 * nothing from outside; what happened inside is its `cause`, which only the log sees.
 */
export class Fault extends Error {
  override name = 'Fault';
  readonly code: FaultCode;
  readonly status: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly retryAfterSeconds: number | undefined;
  readonly challenge: string | undefined;
  readonly allow: string | undefined;
  readonly members: FaultMembers;

  constructor(code: FaultCode, description: string, options: FaultOptions = {}) {
    const { cause, retryAfterSeconds, challenge, allow, ...members } = options;
    super(description, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = table[code].status;
    this.level = table[code].level;
    this.retryAfterSeconds = retryAfterSeconds;
    this.challenge = challenge;
    this.allow = allow;
    this.members = members;
  }

  /** The same Fault with these in place of its own. */
  with(options: FaultOptions): Fault {
    const { code, message, cause, retryAfterSeconds, challenge, allow, members } = this;
    return new Fault(code, message, { ...members, cause, retryAfterSeconds, challenge, allow, ...options });
  }

  /** The response's body: RFC 6749 section 5.2. A 500 says nothing of the inside. */
  toBody(traceId?: string): Record<string, unknown> {
    const { error = this.code } = table[this.code] as { error?: string };
    const error_description = this.code === 'server_error' ? ourSide : this.message;
    const body = { error, error_description, ...this.members, trace_id: traceId };
    return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
  }

  /** The response's headers beside its type: never cached, and when to come back. */
  toHeaders(): Record<string, string> {
    return {
      'Cache-Control': 'no-store',
      ...(this.retryAfterSeconds !== undefined && { 'Retry-After': String(Math.ceil(this.retryAfterSeconds)) }),
      ...(this.challenge !== undefined && { 'WWW-Authenticate': this.challenge }),
      ...(this.allow !== undefined && { Allow: this.allow }),
    };
  }
}

/** What a client can cause in the HTTP stack, by the status that body-parser and express give their errors. */
const byStatus: Record<number, [FaultCode, string]> = {
  400: ['invalid_request', 'The request could not be read.'],
  413: ['content_too_large', 'The request body is too large.'],
  415: ['unsupported_media_type', 'The content type, charset or encoding is not supported here.'],
};

/** Makes a Fault of whatever was thrown: itself, a client error of the HTTP stack, else `server_error`. */
export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const [code, description] = (isClientError(error) && byStatus[error.status]) || (['server_error', ourSide] as const);
  return new Fault(code, description, { cause: error });
}

/** body-parser marks its errors as fit to show, express its URL decoding by URIError; other libraries' errors carry a
 *  status too, but it is that of a response *they* were given. */
function isClientError(error: unknown): error is Error & { status: number } {
  if (!(error instanceof Error) || !('status' in error)) return false;
  return error instanceof URIError || ('expose' in error && error.expose === true);
}

/** Every code that a Fault may have. */
export const faultCodes = Object.keys(table) as FaultCode[];
