import { baseUrl } from '@onbehalf/node/core/address';
import { Fault } from '@onbehalf/node/core/fault';
import { z } from 'zod';
import { readList, type Section } from './sections.ts';

/** How one downstream API is called: what `DownstreamApis__<name>__*` says, and what a request overrides. */
export type ApiOptions = z.output<typeof apiSchema>;

const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
const headerValue = /^[\t\x20-\x7e]{0,4096}$/;
/** Ours to send, or of the connection: RFC 9110 section 7.6.1. */
const reserved =
  /^(authorization|host|cookie|content-.*|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|proxy-.*|sec-.*)$/i;

const aHeader = z.string().regex(headerValue, 'holds what no header may');
const aHeaderName = z
  .string()
  .regex(headerName, 'holds what is no header')
  .refine((name) => !reserved.test(name), 'holds a header that is not yours to set');
const method = z
  .string()
  .transform((value) => value.toUpperCase())
  .pipe(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], 'is no method of a request'));
const isTrue = z.string().transform((value) => value.toLowerCase() === 'true');

/** By .NET's names in lower case, as `readSection` gives them; what it does not know it leaves out, as .NET does. */
export const apiSchema = z.object({
  baseurl: baseUrl.optional(),
  relativepath: z.string().default(''),
  scopes: z
    .unknown()
    .optional()
    .transform((value) => readList(value as Section | string | undefined)),
  requestapptoken: isTrue.default(false),
  httpmethod: method.default('GET'),
  acceptheader: aHeader.default('application/json'),
  extraheaderparameters: z.record(aHeaderName, aHeader).default({}),
  extraqueryparameters: z.record(z.string(), z.string()).default({}),
  acquiretokenoptions: z
    .looseObject({
      tenant: z.string().optional(),
      claims: z.string().refine(isJsonObject, 'holds claims that are no JSON object').optional(),
      correlationid: z.guid('holds a correlation id that is no GUID').optional(),
    })
    .prefault({}),
});

/**
 * The options of one request: the configured section, and over it what the query overrides.
 * @throws Fault `invalid_request` naming the option.
 */
export function readOptions(section: Section, overrides: URLSearchParams): ApiOptions {
  const merged = structuredClone(section);
  for (const [name, value] of overrides) override(merged, name, value, overrides);
  const { success, data, error } = apiSchema.safeParse(merged);
  if (success) return data;
  const [issue] = error.issues;
  throw new Fault('invalid_request', `optionsOverride.${String(issue?.path[0])} ${issue?.message}.`);
}

const prefix = 'optionsoverride.';
const dictionary = /^(extraheaderparameters|extraqueryparameters)\.(.+)$/is;

/** `optionsOverride.A.B=value`; an empty value overrides nothing, and `RequestAppToken` can only be asked for. */
function override(section: Section, name: string, value: string, all: URLSearchParams): void {
  if (!name.toLowerCase().startsWith(prefix) || value === '') return;
  const path = name.slice(prefix.length);
  const [key = '', ...rest] = path.toLowerCase().split('.');
  // A caller could have the token sent to a host of its own.
  if (key === 'baseurl') return;
  if (key === 'requestapptoken' && value.toLowerCase() !== 'true') return;
  const [, entry, own = ''] = dictionary.exec(path) ?? [];
  if (entry) childOf(section, key)[own] = value;
  else if (key === 'scopes') section[key] = all.getAll(name).join(' ');
  else if (rest.length === 0) section[key] = value;
  else childOf(section, key)[rest.join('.')] = value;
}

function childOf(section: Section, key: string): Section {
  const child = section[key];
  if (typeof child === 'object') return child;
  const made: Section = {};
  section[key] = made;
  return made;
}

/** What Microsoft's sidecar does and the broker does not. */
const unsupported: [option: RegExp, sentence: string][] = [
  [/^poppublickey$/, 'Proof of possession (AcquireTokenOptions.PopPublicKey) is not supported.'],
  [/^managedidentity/, 'AcquireTokenOptions.ManagedIdentity is not supported: the broker has the credentials.'],
  [/^longrunningwebapisessionkey$/, 'AcquireTokenOptions.LongRunningWebApiSessionKey is not supported.'],
  [/^fmipath$/, 'AcquireTokenOptions.FmiPath is not supported.'],
];

/** @throws Fault `invalid_request` for what is not supported, and for another tenant than the configured one. */
export function assertSupported({ acquiretokenoptions: asked }: ApiOptions, tenant: string): void {
  for (const [option, sentence] of unsupported)
    if (Object.keys(asked).some((name) => option.test(name))) throw new Fault('invalid_request', sentence);
  if (asked.tenant !== undefined && asked.tenant.toLowerCase() !== tenant)
    throw new Fault('invalid_request', 'AcquireTokenOptions.Tenant is not the tenant of AzureAd__TenantId.');
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
