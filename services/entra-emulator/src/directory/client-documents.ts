import { createHash } from 'node:crypto';
import { isSecureContext } from '@onbehalf/node/core/address';
import { z } from 'zod';
import { Refusal } from '../requests/aadsts.ts';
import { type App, appSchema } from './seed.ts';

const deadlineMs = 3_000;
/** The draft's advice, section 6.6. */
const maxBytes = 5_120;

/** Only what a public client says of itself; section 4.1 of the draft forbids shared secrets. */
const documentSchema = z.object({
  client_id: z.string(),
  client_name: z.string().max(120).optional(),
  redirect_uris: z.array(z.url().refine(isPrivate, 'must be https, or http on this host')).min(1),
  token_endpoint_auth_method: z.literal('none').default('none'),
  client_secret: z.never('is no secret if it is published').optional(),
});

/** Whether a client id is the URL of a document, not the id of a registration. */
export function isDocumentUrl(clientId: string): boolean {
  return /^https?:/i.test(clientId);
}

/**
 * The registration that a client publishes of itself, at the URL that is its client id. It has a GUID too, which tokens
 * name as `azp`. draft-ietf-oauth-client-id-metadata-document-00; Learn: "Client ID Metadata Documents in Microsoft Entra
 * ID (preview)". @param tid the tenant that it appears in.
 * @throws Refusal 700038 for a URL that may be no client id, 700016 with the reason where it has no such document.
 */
export async function fetchClient(clientId: string, tid: string): Promise<App> {
  if (!isClientId(clientId)) throw new Refusal(700038, { client: clientId });
  const document = await fetchDocument(clientId).catch((error: Error) => {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : error.message;
    throw new Refusal(700016, { client: `${clientId} (its document: ${reason})`, tenant: tid });
  });
  return appSchema.parse({
    ...{ name: clientId, appId: toGuid(clientId), spId: toGuid(`principal of ${clientId}`), tid },
    displayName: `${document.client_name ?? 'A client'} (${new URL(clientId).host})`,
    ...{ signInAudience: 'AzureADMultipleOrgs', publicRedirectUris: document.redirect_uris, requirePkce: true },
  });
}

/** Section 3 of the draft: https, a path without dot segments, no user, no fragment. This host may do without TLS. */
function isClientId(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  // As it is written: it is compared as text, and what the parser mends would be another client.
  return (
    url.href === text && isSecureContext(url) && url.pathname !== '/' && !url.username && !url.password && !url.hash
  );
}

async function fetchDocument(url: string): Promise<z.output<typeof documentSchema>> {
  const headers = { accept: 'application/json' };
  const response = await fetch(url, { headers, redirect: 'manual', signal: AbortSignal.timeout(deadlineMs) });
  const text = await readText(response);
  if (response.status !== 200) throw new Error(`its server responded ${response.status}`);
  if (!/^application\/([\w.-]+\+)?json\b/.test(response.headers.get('content-type') ?? ''))
    throw new Error('it is no application/json');
  const document = documentSchema.parse(JSON.parse(text));
  if (document.client_id !== url) throw new Error('its client_id is another URL');
  return document;
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`it is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** A program's own scheme is private to it. RFC 8252 section 7. */
function isPrivate(uri: string): boolean {
  const url = new URL(uri);
  return url.protocol === 'http:' || url.protocol === 'https:' ? isSecureContext(url) : url.protocol.includes('.');
}

/** The same GUID for the same text, by its form a version 8. RFC 9562 section 5.8. */
function toGuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
