import { readJson } from '../read-json.ts';

/** Entra's response to one code, and how well it is known. */
type Row = {
  error: string;
  text: string;
  /** Default 400. */
  status?: number;
  suberror?: string;
  /** Entra leaves `error_uri` out of these. */
  noErrorUri?: boolean;
  /** C: `error` and status seen in a public capture; L: the meaning is Microsoft Learn's; U: neither. */
  mark: string;
  /** The documentation page that names the code, or `unverified`. */
  source: string;
};

/** By AADSTS number. */
export const table = readJson('aadsts.json', import.meta.url) as Readonly<Record<string, Row>>;

/** Members that differ from the code's row; `null` leaves a member out. */
export type RefusalMembers = {
  error?: string | undefined;
  status?: number | undefined;
  suberror?: string | null | undefined;
  claims?: string | undefined;
  retryAfterSeconds?: number | undefined;
};

/** An error of Entra: the protocol throws it, and the endpoint responds with JSON, a redirect or a page. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly code: number;
  readonly status: number;
  readonly error: string;
  readonly members: RefusalMembers;

  /** @param values fill the `{names}` of the row's text. */
  constructor(code: number, values: Record<string, string> = {}, members: RefusalMembers = {}) {
    const row = table[String(code)];
    const text = row?.text ?? 'An error the emulator was told to give.';
    super(`AADSTS${code}: ${text.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '')}`);
    this.code = Number(code);
    this.status = members.status ?? row?.status ?? 400;
    this.error = members.error ?? row?.error ?? 'invalid_grant';
    const suberror = members.suberror === undefined ? row?.suberror : members.suberror;
    this.members = { ...members, suberror };
  }

  /** `error_description` as Entra words it. */
  describe(ids: CallIds): string {
    return `${this.message} Trace ID: ${ids.traceId} Correlation ID: ${ids.correlationId} Timestamp: ${ids.timestamp}`;
  }

  /** The JSON envelope of the token endpoint. */
  toBody(ids: CallIds, origin: string): Record<string, unknown> {
    const { suberror, claims } = this.members;
    return {
      error: this.error,
      error_description: this.describe(ids),
      error_codes: [this.code],
      timestamp: ids.timestamp,
      trace_id: ids.traceId,
      correlation_id: ids.correlationId,
      ...(!table[String(this.code)]?.noErrorUri && { error_uri: `${origin}/error?code=${this.code}` }),
      ...(suberror && { suberror }),
      ...(claims && { claims }),
    };
  }
}

/** The ids of one request in its responses. `timestamp` is `yyyy-mm-dd hh:mm:ssZ`. */
export type CallIds = { traceId: string; correlationId: string; timestamp: string };
