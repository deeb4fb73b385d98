import { setTimeout as delay } from 'node:timers/promises';
import type { INetworkModule, NetworkRequestOptions } from '@azure/msal-node';
import { Fault } from '@onbehalf/node/core/fault';
import { discoveryDocument, issuersOf } from '@onbehalf/node/core/keys/authority';
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { z } from 'zod';
import { discoveryMs, discoveryRetryMs, entraConnectMs, entraDeadlineMs } from '../lifetimes.ts';
import { watch } from '../signals.ts';
import { type EntraGrant, type HttpResponse, noResponse, parseRefusal, type Refusal } from './entra-errors.ts';
import { withoutNonce } from './without-nonce.ts';

/** What the HTTP client saw of one operation. MSAL drops most of it. */
export type Wire = {
  refusal?: Refusal;
  /** Why no response came. */
  failure?: unknown;
  /** Whether Entra responded, whatever it said. */
  responded?: boolean;
  requestId?: string | undefined;
  /** When the token request was sent. Lifetimes count from here, so that a slow response does not prolong them. */
  sentAtMs?: number;
  token?: unknown;
};

/** The HTTP client under MSAL, as `MsalEntra` needs it. */
export interface EntraNetwork extends AsyncDisposable {
  /**
   * The authorization endpoint in a discovery document; while Entra is not reachable, the one that was read last.
   * @throws Fault `unavailable` if it was never read, `server_error` if the document is of another tenant.
   */
  authorizationEndpoint(url: string): Promise<string>;
  /**
   * A network module for one operation of one MSAL client; `wire` is filled in during the operation. With `hideNonce`
   * MSAL gets the ID token without its nonce; `wire` has the original.
   */
  operation(grant: EntraGrant, deadline: AbortSignal, hideNonce?: boolean): { module: INetworkModule; wire: Wire };
}

/** Thrown through MSAL to end an operation; the reason is in the Wire. */
class Refused extends Error {}

/** OpenID Connect Discovery 1.0 section 3. */
const signInDocument = z.object({ authorization_endpoint: z.url({ protocol: /^https?$/ }) });

const maxResponseBytes = 1_048_576;
/** These happen before any byte was sent: only these are retried. */
const connectErrors = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/**
 * The HTTP client under MSAL Node. It pools connections, has one deadline for the whole operation, retries once if no
 * connection was made, classifies responses before MSAL sees them, and caches discovery documents.
 */
export class EntraHttpClient implements EntraNetwork {
  readonly #nowMs: () => number;
  // Uses HTTPS_PROXY where it is set, except for the hosts of NO_PROXY.
  readonly #agent = new EnvHttpProxyAgent({
    connect: { timeout: entraConnectMs },
    connections: 128,
    maxResponseSize: maxResponseBytes,
  });
  readonly #documents = new Map<string, { readAtMs: number; response: HttpResponse }>();
  readonly #endpoints = new Map<string, { readAtMs: number; endpoint: Promise<string> }>();
  #skewSeconds: number | undefined;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
    watch('onbehalf.clock.skew', () => this.#skewSeconds);
  }

  async authorizationEndpoint(url: string): Promise<string> {
    const last = this.#endpoints.get(url);
    // Anybody may call this: one read serves all callers, and a failed read is not repeated at once.
    if (last && this.#nowMs() - last.readAtMs < discoveryRetryMs) return await last.endpoint;
    const endpoint = this.#readEndpoint(url);
    this.#endpoints.set(url, { readAtMs: this.#nowMs(), endpoint });
    return await endpoint;
  }

  operation(grant: EntraGrant, deadline: AbortSignal, hideNonce = false): { module: INetworkModule; wire: Wire } {
    const wire: Wire = {};
    const refuse = (refusal: Refusal): never => {
      wire.refusal = refusal;
      throw new Refused('refused');
    };
    const fail = (failure: unknown): never => {
      wire.failure = failure;
      return refuse(noResponse());
    };
    const module = {
      sendGetRequestAsync: async (url: string, { headers }: NetworkRequestOptions = {}) => {
        const found = await this.#readDocument(url, deadline, headers).catch(fail);
        return 'class' in found ? refuse(found) : found;
      },
      sendPostRequestAsync: async (url: string, { headers, body }: NetworkRequestOptions = {}) => {
        const sentAtMs = this.#nowMs();
        const options = { method: 'POST' as const, headers: headers ?? {}, body: body ?? null, signal: deadline };
        const response = await this.#send(url, options).catch(fail);
        wire.responded = true;
        wire.requestId = response.requestId;
        const refusal = parseRefusal(response, grant, this.#nowMs());
        if (refusal) return refuse(refusal);
        wire.sentAtMs = sentAtMs;
        wire.token = response.body;
        return hideNonce ? { ...response, body: withoutNonce(response.body) } : response;
      },
    };
    return { module: module as INetworkModule, wire };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.close();
  }

  async #send(url: string, options: Parameters<typeof request>[1]): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await readResponse(await request(url, { ...options, dispatcher: this.#agent }));
        const serverMs = Date.parse(response.headers.date ?? '');
        if (Number.isFinite(serverMs)) this.#skewSeconds = (serverMs - this.#nowMs()) / 1_000;
        return response;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? '';
        if (attempt > 1 || !connectErrors.has(code)) throw error;
        await delay(50 + Math.random() * 100);
      }
    }
  }

  /** A document of Entra, from the cache while it is fresh; the refusal if it is none. @throws if no response came. */
  async #readDocument(url: string, signal: AbortSignal, headers = {}): Promise<HttpResponse | Refusal> {
    const cached = this.#documents.get(url);
    if (cached && this.#nowMs() - cached.readAtMs < discoveryMs) return cached.response;
    const response = await this.#send(url, { headers, signal });
    const { status, body } = response;
    if (status !== 200 || typeof body !== 'object') {
      const permanent = status >= 300 && status < 500 && status !== 429;
      return { ...noResponse(), class: permanent ? 'configuration' : 'transient' };
    }
    if (!isOfItsTenant(url, body)) return { ...noResponse(), class: 'configuration' };
    this.#documents.set(url, { readAtMs: this.#nowMs(), response });
    return response;
  }

  async #readEndpoint(url: string): Promise<string> {
    const found = await this.#readDocument(url, AbortSignal.timeout(entraDeadlineMs)).catch(noResponse);
    const document = 'class' in found ? this.#documents.get(url)?.response : found;
    if (document) return signInDocument.parse(document.body).authorization_endpoint;
    if ('class' in found && found.class === 'transient') {
      const retryAfterSeconds = discoveryRetryMs / 1_000;
      throw new Fault('unavailable', 'Entra ID cannot be reached.', { retryAfterSeconds });
    }
    throw new Fault('server_error', 'Entra ID has no such tenant.');
  }
}

/** Whether a discovery document names the issuer of the tenant in its URL. True for all other documents. */
function isOfItsTenant(url: string, document: unknown): boolean {
  const [, tenantId] = /^\/([^/]+)\/v2\.0\/\.well-known\/openid-configuration$/.exec(new URL(url).pathname) ?? [];
  if (tenantId === undefined) return true;
  try {
    issuersOf(discoveryDocument.parse(document).issuer, tenantId);
    return true;
  } catch {
    return false;
  }
}

async function readResponse({ statusCode, headers, body }: Dispatcher.ResponseData<unknown>): Promise<HttpResponse> {
  const text = await body.text();
  const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  return { status: statusCode, headers: flat, body: parseJson(text), requestId: flat['x-ms-request-id'] };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
