import { flag, words } from '@onbehalf/chassis/config/config';
import { baseUrl } from '@onbehalf/node/core/address';
import { toTraceId } from '@onbehalf/node/core/telemetry/trace-context';
import { headerShape, notListed } from '@onbehalf/node/core/wire/header-name';
import { isJsonObject } from '@onbehalf/node/core/wire/json-object';
import { z } from 'zod';

/** How one downstream API is called, by .NET's names in lower case: as configured, or as a request overrides it. */
export type ApiOptions = z.output<typeof apiSchema>;

/** Of the connection, ours to send, or of who asks and what for: a server would believe them. */
const { hop, origin, identity, proxies, certificates, detour } = notListed;
const reserved = new RegExp(
  `^(${[hop, origin, identity, proxies, certificates, detour].join('|')}|content-.*|sec-.*)$`,
);

const headerValue = z.string().regex(/^[\t\x20-\x7e]{0,4096}$/, 'holds what no header may');
const headerName = z
  .string()
  .regex(headerShape, 'holds what is no header')
  .toLowerCase()
  // CGI and WSGI read `X_Forwarded_For` as the same.
  .refine((name) => !reserved.test(name.replace(/[_.]/g, '-')), 'holds a header that is not yours to set');
const method = z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], 'is no method of a request');
/** What Microsoft's sidecar does and the broker does not. */
const unsupported = (sentence: string) => z.undefined(sentence).optional();

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
      poppublickey: unsupported('Proof of possession (AcquireTokenOptions.PopPublicKey) is not supported.'),
      managedidentity: unsupported(
        'AcquireTokenOptions.ManagedIdentity is not supported: the broker has the credentials.',
      ),
      longrunningwebapisessionkey: unsupported('AcquireTokenOptions.LongRunningWebApiSessionKey is not supported.'),
      fmipath: unsupported('AcquireTokenOptions.FmiPath is not supported.'),
    })
    .optional(),
});
