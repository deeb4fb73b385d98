import { setTimeout as delay } from 'node:timers/promises';
import type { INetworkModule, NetworkRequestOptions } from '@azure/msal-node';
import { discoveryDocument, issuersOf } from '@onbehalf/chassis/auth/authority';
import { Fault } from '@onbehalf/chassis/fault';
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { z } from 'zod';
import { discoveryMs, discoveryRetryMs, entraConnectMs, entraDeadlineMs } from '../lifetimes.ts';
import { watch } from '../signals.ts';
import { type EntraGrant, type HttpResponse, noResponse, parseRefusal, type Refusal } from './entra-errors.ts';
import { withoutNonce } from './without-nonce.ts';

/** What one operation learnt on the wire: MSAL drops most of it. */
export type Wire = {
  refusal?: Refusal;
  requestId?: string | undefined;
  /** When the token answer's request left: lifetimes count from here, however long the answer or we slept. */
  sentAtMs?: number;
  token?: unknown;
};

/** Thrown through MSAL to end an operation; what happened is in the Wire. */
class Refused extends Error {}

/** OpenID Connect Discovery 1.0 section 3. */
const signInDocument = z.object({ authorization_endpoint: z.url({ protocol: /^https?$/ }) });

const largestAnswerBytes = 1_048_576;
/** Failures before any byte was sent: only these are tried again. */
const connectErrors = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/**
 * The HTTP client under MSAL Node: pooled connections, one deadline over everything, one retry and only of a
 * connection that never stood, answers judged before MSAL sees them, discovery documents remembered.
 */
export function createEntraNetwork(nowMs: () => number = Date.now) {
  // Through HTTPS_PROXY where it is set, but for the hosts of NO_PROXY.
  const agent = new EnvHttpProxyAgent({
    connect: { timeout: entraConnectMs },
    connections: 128,
    maxResponseSize: largestAnswerBytes,
  });
  const documents = new Map<string, { readAtMs: number; answer: HttpResponse }>();
  const endpoints = new Map<string, { askedAtMs: number; endpoint: Promise<string> }>();

  let skewSeconds: number | undefined;
  watch('onbehalf.clock.skew', () => skewSeconds);

  async function send(url: string, options: Parameters<typeof request>[1]): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await read(await request(url, { ...options, dispatcher: agent }));
        const theirMs = Date.parse(answer.headers.date ?? '');
        if (Number.isFinite(theirMs)) skewSeconds = (theirMs - nowMs()) / 1_000;
        return answer;
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? '';
        if (attempt > 1 || !connectErrors.has(code)) throw error;
        await delay(50 + Math.random() * 100);
      }
    }
  }

  /** A document of Entra's, remembered; the refusal if it cannot be read. */
  async function documentAt(url: string, signal: AbortSignal, headers = {}): Promise<HttpResponse | Refusal> {
    const known = documents.get(url);
    if (known && nowMs() - known.readAtMs < discoveryMs) return known.answer;
    const answer = await send(url, { headers, signal }).catch(noResponse);
    if ('class' in answer) return answer;
    const { status, body } = answer;
    if (status !== 200 || typeof body !== 'object') {
      const lasting = status >= 300 && status < 500 && status !== 429;
      return { ...noResponse(), class: lasting ? 'configuration' : 'transient' };
    }
    if (!isOfItsTenant(url, body)) return { ...noResponse(), class: 'configuration' };
    documents.set(url, { readAtMs: nowMs(), answer });
    return answer;
  }

  async function readEndpoint(url: string): Promise<string> {
    const found = await documentAt(url, AbortSignal.timeout(entraDeadlineMs));
    const document = 'class' in found ? documents.get(url)?.answer : found;
    if (document) return signInDocument.parse(document.body).authorization_endpoint;
    if ('class' in found && found.class === 'transient') {
      const retryAfterSeconds = discoveryRetryMs / 1_000;
      throw new Fault('unavailable', 'Entra ID cannot be reached.', { retryAfterSeconds });
    }
    throw new Fault('server_error', 'Entra ID has no such tenant.');
  }

  return {
    /**
     * The authorization endpoint that a discovery document names; the last one read while Entra is away.
     * @throws Fault `unavailable` while it was never read, `server_error` if it is not that of its tenant.
     */
    async authorizationEndpoint(url: string): Promise<string> {
      const asked = endpoints.get(url);
      // Anybody may ask: one read serves all, and a failed one is not repeated at once.
      if (asked && nowMs() - asked.askedAtMs < discoveryRetryMs) return await asked.endpoint;
      const endpoint = readEndpoint(url);
      endpoints.set(url, { askedAtMs: nowMs(), endpoint });
      return await endpoint;
    },

    /**
     * A network module for exactly one operation of one MSAL client; `wire` tells what happened. With `hideNonce` MSAL
     * sees the ID token without its nonce, `wire` as it came.
     */
    operation(grant: EntraGrant, deadline: AbortSignal, hideNonce = false): { module: INetworkModule; wire: Wire } {
      const wire: Wire = {};
      const refuse = (refusal: Refusal): never => {
        wire.refusal = refusal;
        throw new Refused('refused');
      };
      const module = {
        async sendGetRequestAsync(url: string, { headers }: NetworkRequestOptions = {}) {
          const found = await documentAt(url, deadline, headers);
          return 'class' in found ? refuse(found) : found;
        },
        async sendPostRequestAsync(url: string, { headers, body }: NetworkRequestOptions = {}) {
          const sentAtMs = nowMs();
          const answer = await send(url, {
            method: 'POST',
            headers: headers ?? {},
            body: body ?? null,
            signal: deadline,
          }).catch(() => refuse(noResponse()));
          wire.requestId = answer.requestId;
          const refusal = parseRefusal(answer, grant, nowMs());
          if (refusal) return refuse(refusal);
          wire.sentAtMs = sentAtMs;
          wire.token = answer.body;
          return hideNonce ? { ...answer, body: withoutNonce(answer.body) } : answer;
        },
      };
      return { module: module as INetworkModule, wire };
    },
    [Symbol.asyncDispose]: () => agent.close(),
  };
}

export type EntraNetwork = ReturnType<typeof createEntraNetwork>;

/** A discovery document names the issuer of the tenant that it was asked for; other documents pass. */
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

async function read({ statusCode, headers, body }: Dispatcher.ResponseData<unknown>): Promise<HttpResponse> {
  const text = await body.text();
  const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  return { status: statusCode, headers: flat, body: parse(text), requestId: flat['x-ms-request-id'] };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
