import { flag, words } from '@onbehalf/chassis/config/config';
import { baseUrl } from '@onbehalf/node/core/address';
import { Fault } from '@onbehalf/node/core/fault';
import { toTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import { headerShape, notListed } from '@onbehalf/node/core/wire/header-name';
import { isJsonObject } from '@onbehalf/node/core/wire/json-object';
import { z } from 'zod';
import { toSection } from './sections.ts';

/** How one downstream API is called, by .NET's names in lower case: as configured, or as a request overrides it. */
export type ApiOptions = z.output<typeof apiSchema>;

/** Of the connection, ours to send, or of who asks and what for: a server would believe them. */
const { hop, origin, identity, proxies, certificates, detour } = notListed;
const kinds = [hop, origin, identity, proxies, certificates, detour, 'content-.*', 'sec-.*'];
const reserved = new RegExp(`^(${kinds.join('|')})$`);

const headerValue = z.string().regex(/^[\t\x20-\x7e]{0,4096}$/, 'holds what no header may');
const headerName = z
  .string()
  .regex(headerShape, 'holds what is no header')
  .toLowerCase()
  // CGI and WSGI read `X_Forwarded_For` as the same.
  .refine((name) => !reserved.test(name.replace(/[_.]/g, '-')), 'holds a header that is not yours to set');
const method = z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], 'is no method of a request');
/** What Microsoft's sidecar does and the broker does not. */
const unsupported = (what: string, why = '') => z.undefined(`${what} is not supported${why}.`).optional();

/** .NET writes `True`. */
export const dotNetFlag = z.string().toLowerCase().pipe(flag);

/** What it does not know it leaves out, as .NET does. */
export const apiSchema = z.object({
  baseurl: baseUrl.optional(),
  relativepath: z.string().optional(),
  scopes: words.optional(),
  requestapptoken: dotNetFlag.catch(false).optional(),
  httpmethod: z.string().toUpperCase().pipe(method).optional(),
  acceptheader: headerValue.optional(),
  contenttype: headerValue.optional(),
  extraheaderparameters: z.record(headerName, headerValue).optional(),
  extraqueryparameters: z.record(z.string(), z.string()).optional(),
  acquiretokenoptions: z
    .object({
      tenant: z.string().toLowerCase().optional(),
      claims: z.string().refine(isJsonObject, 'holds claims that are no JSON object').optional(),
      correlationid: z.guid('holds a correlation id that is no GUID').transform(toTraceId).optional(),
      poppublickey: unsupported('Proof of possession (AcquireTokenOptions.PopPublicKey)'),
      managedidentity: unsupported('AcquireTokenOptions.ManagedIdentity', ': the broker has the credentials'),
      longrunningwebapisessionkey: unsupported('AcquireTokenOptions.LongRunningWebApiSessionKey'),
      fmipath: unsupported('AcquireTokenOptions.FmiPath'),
    })
    .optional(),
});

/** A caller could have the token sent to a host of its own. */
const overrideSchema = apiSchema.omit({ baseurl: true });

/**
 * The options of one request: the configured ones, and over them `optionsOverride.A.B=value` of its query. An app token
 * can only be asked for. @throws Fault `invalid_request` naming the option.
 */
export function readOptions(configured: ApiOptions, query: URLSearchParams): ApiOptions {
  const sent = toSection(query, '.').optionsoverride;
  if (sent === undefined) return configured;
  const { data: over, error } = overrideSchema.safeParse(sent);
  if (!over) throw toFault(error.issues[0]);
  return {
    ...configured,
    ...over,
    requestapptoken: configured.requestapptoken || over.requestapptoken,
    extraheaderparameters: { ...configured.extraheaderparameters, ...over.extraheaderparameters },
    extraqueryparameters: { ...configured.extraqueryparameters, ...over.extraqueryparameters },
    acquiretokenoptions: { ...configured.acquiretokenoptions, ...over.acquiretokenoptions },
  };
}

/** The message of an issue is a sentence, or what is to be said of the option. */
function toFault(issue: z.core.$ZodIssue | undefined): Fault {
  const { message } = (issue?.code === 'invalid_key' && issue.issues[0]) || { message: 'is not valid', ...issue };
  return badRequest(message.endsWith('.') ? message : `optionsOverride.${String(issue?.path[0])} ${message}.`);
}

export const badRequest = (sentence: string) => new Fault('invalid_request', sentence);
