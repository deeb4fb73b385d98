import { z } from 'zod';

/** What an empty string in values.yaml means: not said, so the service's own default holds. */
const unsaid = z.literal('');

/** A section of values: exactly these keys, each of them optional. */
export const section = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape).partial();

export const text = z.string();
export const optional = <S extends z.ZodType>(schema: S) => z.union([unsaid, schema]);
export const whole = (least: number, most: number) => z.int().min(least).max(most);
export const guid = z.string().regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/);
export const list = <S extends z.ZodType>(item: S) => z.array(item);
export const words = z.record(z.string(), z.string());

/** A Kubernetes object's own business: the API server judges it. */
export const anything = z.looseObject({});

export const dnsName = z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);
export const secretKey = z.string().regex(/^[-._a-zA-Z0-9]{1,253}$/);
export const url = z.string().regex(/^https?:\/\/[^/\s?#@]+(\/[^\s?#]*)?$/);
export const origin = z.string().regex(/^https?:\/\/[^/\s?#@]+$/);
export const scope = z.string().regex(/^\S+$/);

export const secretName = section({ name: optional(dnsName) });
export const secretFile = z.strictObject({ name: dnsName, key: secretKey });
export const configMapFile = section({ name: optional(dnsName), key: secretKey });

/** `latest` moves under a running release: a rollback could not bring it back. */
export const tag = z
  .string()
  .regex(/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}$/)
  .meta({ not: { const: 'latest' } });
export const image = section({
  registry: text,
  repository: z.string().regex(/^[a-z0-9][-a-z0-9.]*(:[0-9]+)?([-a-z0-9._/]*[a-z0-9])?$/),
  tag: optional(tag),
  digest: optional(z.string().regex(/^sha256:[0-9a-f]{64}$/)),
});

const quantity = z.union([z.string().regex(/^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$/), z.number().positive()]);
const amounts = z.strictObject({ cpu: quantity, memory: quantity, 'ephemeral-storage': quantity.optional() });
export const resources = z.strictObject({ requests: amounts, limits: amounts });
