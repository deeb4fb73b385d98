import { z } from 'zod';

const attribute: z.ZodType<AttributeValue> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.array(attribute)]),
);
type AttributeValue = string | number | boolean | AttributeValue[];
const attributes = z.record(z.string(), attribute);

/** A span in the shape that trace-viewer's drawing takes. */
export const spanSchema = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentId: z.string().optional(),
  name: z.string(),
  kind: z.enum(['internal', 'server', 'client', 'producer', 'consumer']),
  service: z.string(),
  startMs: z.number(),
  endMs: z.number(),
  error: z.boolean(),
  message: z.string().optional(),
  attributes,
  events: z.array(z.object({ name: z.string(), atMs: z.number(), attributes })),
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })),
});
