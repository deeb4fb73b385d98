import { z } from 'zod';
import { globalValues } from './global.ts';
import {
  anything,
  dnsName,
  guid,
  image,
  list,
  optional,
  resources,
  secretKey,
  section,
  text,
  whole,
  words,
} from './words.ts';

const replicas = whole(1, 1_000);

/** What every service's chart understands, beside its own words. */
export const serviceValues = {
  global: globalValues,
  // Helm hands a chart its library's values, and the umbrella's condition, too.
  common: anything,
  enabled: z.boolean(),
  image,
  replicas,
  resources,
  autoscaling: section({
    enabled: z.boolean(),
    minReplicas: replicas,
    maxReplicas: replicas,
    targetCpuPercent: whole(1, 100),
  }),
  keda: section({
    enabled: z.boolean(),
    minReplicas: replicas,
    maxReplicas: replicas,
    fallbackReplicas: replicas,
    triggers: list(z.looseObject({ type: z.string(), metadata: anything })),
  }),
  pdb: section({ enabled: z.boolean() }),
  serviceAccount: section({ create: z.boolean(), name: optional(dnsName), annotations: words }),
  log: section({ level: optional(z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])) }),
  lostNodeSeconds: whole(0, 3_600),
  shutdownDelayMs: whole(0, 30_000),
  drainMs: whole(0, 30_000),
  extraEnv: list(z.looseObject({ name: z.string() })),
  extraEnvFrom: list(anything),
  extraVolumes: list(z.looseObject({ name: dnsName })),
  extraVolumeMounts: list(z.looseObject({ name: dnsName, mountPath: z.string() })),
  extraContainers: list(z.looseObject({ name: dnsName, image: z.string() })),
  extraInitContainers: list(z.looseObject({ name: dnsName, image: z.string() })),
  extraObjects: list(z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata: anything })),
  podLabels: words,
  podAnnotations: words,
  commonLabels: words,
  nodeSelector: words,
  tolerations: list(anything),
  affinity: anything,
  priorityClassName: text,
  nameOverride: optional(dnsName),
  fullnameOverride: optional(dnsName),
};

export const networkPolicy = { extraIngress: list(anything), extraEgress: list(anything) };

export const keyVault = section({
  enabled: z.boolean(),
  name: optional(z.string().regex(/^[a-zA-Z][-a-zA-Z0-9]{2,23}$/)),
  tenantId: optional(guid),
  clientId: optional(guid),
  objects: list(z.strictObject({ name: z.string().regex(/^[-a-zA-Z0-9]{1,127}$/), file: secretKey })),
});
