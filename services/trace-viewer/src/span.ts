export type AttributeValue = string | number | boolean | AttributeValue[];
export type Attributes = Record<string, AttributeValue>;

/** A finished span as the viewer keeps, serves and draws it. Ids are lower-case hex; times are epoch milliseconds. */
export type Span = {
  traceId: string;
  spanId: string;
  parentId?: string;
  name: string;
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  service: string;
  startMs: number;
  endMs: number;
  error: boolean;
  message?: string;
  attributes: Attributes;
  events: { name: string; atMs: number; attributes: Attributes }[];
  links: { traceId: string; spanId: string }[];
};
