import { z } from 'zod';
import {
  anything,
  dnsName,
  guid,
  list,
  optional,
  origin,
  secretKey,
  section,
  tag,
  text,
  url,
  whole,
  words,
} from './words.ts';

/** A cloud of Microsoft, an external tenant or a custom domain of one; not Azure AD B2C. */
const authorityHost = origin.regex(/^https:\/\//).meta({ not: { pattern: '\\.b2clogin\\.com' } });

/** https, but for one machine's own browser: other browsers refuse the cookies. */
const publicOrigin = String.raw`(https:\/\/[^/\s?#@,]+|http:\/\/(localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1)(:[0-9]+)?)`;
const publicBaseUrl = z.string().regex(new RegExp(`^${publicOrigin}$`));
/** web-frontend's own rules, as far as a pattern says them. */
const publicBaseUrls = z.array(z.string().regex(new RegExp(`^${publicOrigin}(\\/[A-Za-z0-9_.-]+)*$`)));

const pullPolicy = z.enum(['Always', 'IfNotPresent', 'Never']);
const imageShape = {
  registry: text,
  preloaded: z.boolean(),
  tag: optional(tag),
  pullPolicy,
  pullSecrets: list(dnsName),
};
const networkShape = { enabled: z.boolean(), dns: list(anything).min(1) };

/** Open at its root, since other charts have globals of their own; each section of ours is strict. */
export const globalValues = z
  .looseObject({
    publicBaseUrl: optional(publicBaseUrl),
    publicBaseUrls,
    entra: section({ authorityHost, tenantId: optional(z.union([guid, z.enum(['organizations', 'common'])])) }),
    image: section(imageShape),
    otel: section({
      endpoint: optional(url),
      protocol: z.enum(['http/protobuf', 'http/json', 'grpc']),
      tracesSampler: optional(
        z.enum([
          'always_on',
          'always_off',
          'traceidratio',
          'parentbased_always_on',
          'parentbased_always_off',
          'parentbased_traceidratio',
        ]),
      ),
      tracesSamplerArg: optional(z.string().regex(/^(0(\.[0-9]+)?|1(\.0+)?)$/)),
      resourceAttributes: list(z.string().regex(/^[a-z][a-z0-9._]*=[^,=\s]+$/)),
      peer: anything,
      nodePorts: list(whole(1, 65_535)),
      nodes: list(anything).min(1),
    }),
    metrics: section({
      enabled: z.boolean(),
      from: list(anything).min(1),
      podMonitor: section({
        enabled: z.boolean(),
        apiVersion: z.enum(['monitoring.coreos.com/v1', 'azmonitoring.coreos.com/v1']),
        interval: z.string().regex(/^[0-9]+(s|m)$/),
        labels: words,
      }),
    }),
    networkPolicy: section({
      ...networkShape,
      flavor: z.enum(['kubernetes', 'cilium']),
      ipv6: z.boolean(),
      extraEgress: list(anything),
    }),
    proxy: section({
      https: optional(url),
      http: optional(url),
      noProxy: optional(z.string().regex(/^[^\s,]+(,[^\s,]+)*$/)),
    }),
    extraCa: section({ configMap: optional(dnsName), key: secretKey }),
  })
  .partial();

export const devGlobalValues = z
  .looseObject({ image: section(imageShape), networkPolicy: section(networkShape).loose() })
  .partial();
