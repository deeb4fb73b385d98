import type { Fault } from '../core/fault.ts';

/** Metadata of a protected resource, as far as Entra has it. RFC 9728 section 2. */
export type ResourceMetadata = {
  resource: string;
  authorization_servers: string[];
  scopes_supported?: string[];
  bearer_methods_supported: ['header'];
};

export type Resource = {
  /** Where the document is, below the origin: the well-known part stands before the resource's own path. */
  path: string;
  url: string;
  metadata: ResourceMetadata;
};

type Options = { resource: string; authorityHost: string; tenants: string[]; scopes: readonly string[] | undefined };

/** The document of a resource and its place. RFC 9728 section 3.1. */
export function describeResource({ resource, authorityHost, tenants, scopes }: Options): Resource {
  const { origin, pathname } = new URL(resource);
  const path = `/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`;
  const metadata: ResourceMetadata = {
    resource,
    authorization_servers: tenants.map((tenant) => `${authorityHost}/${tenant}/v2.0`),
    ...(scopes && { scopes_supported: [...scopes] }),
    bearer_methods_supported: ['header'],
  };
  return { path, url: `${origin}${path}`, metadata };
}

/** The same Fault; its challenge says where the metadata are. RFC 9728 section 5.1. */
export function withMetadata(fault: Fault, url: string): Fault {
  const { challenge } = fault;
  if (challenge === undefined) return fault;
  const more = `resource_metadata="${url}"`;
  return fault.with({ challenge: challenge === 'Bearer' ? `Bearer ${more}` : `${challenge}, ${more}` });
}
