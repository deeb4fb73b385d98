import { z } from 'zod';
import { baseUrl } from '../../core/address.ts';
import { graphOrigins } from '../../core/keys/authority.ts';
import { headerName } from '../../core/wire/header-name.ts';

const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be a scope of RFC 6749');

/** What Entra knows without a resource: the permissions of Microsoft Graph, such as `User.Read` or `Files.ReadWrite.All`. */
const graphPermission = /^[A-Z]\w*(\.[\w-]+)+$/;

/** What OpenID Connect asks for of the sign-in itself, of no resource. */
export const isOpenid = (name: string): boolean => /^(openid|profile|email|offline_access)$/.test(name);

/** The scopes of one token. Entra refuses the same combinations (AADSTS28000, 28003, 70011), but only at run time. */
const scopes = z
  .array(scope)
  .min(1, 'must name at least one scope')
  .refine((all) => new Set(all.map(sameResource)).size <= 1, 'must keep to one resource: a token is for one')
  .refine(
    (all) => all.length === 1 || !all.some((name) => name.endsWith('/.default')),
    'must be .default alone or named scopes alone',
  )
  .refine(
    (all) => all.every((name) => name.includes('/') || graphPermission.test(name)),
    'must be <resource>/<scope>, or a permission of Microsoft Graph',
  );

/**
 * `SIGN_IN_SCOPES`: what signing in asks for, separated by spaces. The broker rests on an ID token and a refresh token; the
 * rest is of one resource, as the scopes of an API are.
 */
export const signInScopes = z
  .string()
  .max(1_000)
  .transform((value) => [...new Set(value.split(/\s+/).filter(Boolean))])
  .refine((all) => all.includes('openid') && all.includes('offline_access'), 'must hold openid and offline_access')
  .refine(
    (all) => all.every(isOpenid) || scopes.safeParse(all.filter((name) => !isOpenid(name))).success,
    'must hold besides OpenID scopes <resource>/<scope> of one resource, or its .default alone',
  );

const route = z.strictObject({
  methods: z.array(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])).min(1),
  /** Exact, or every path below it when it ends in `/*`. */
  path: z
    .string()
    .regex(/^\/([\w\-.~/]*\/)?([\w\-.~]*|\*)$/, 'must be a path that may end in /*')
    .refine((path) => !/\/(\.{0,2}\/|\.{1,2}$)/.test(path), 'must have no empty segment, . or ..'),
  /** What this route needs instead of the API's scopes. */
  scopes: scopes.optional(),
  /** Whether `%2F` may stand in a path, for the API to take as a part of a segment: `/packages/@org%2Fname`. */
  encodedSlashes: z.boolean().optional(),
});

type Route = z.output<typeof route>;

/** The first route that takes a request decides: one behind a route that takes all of it says something in vain. */
function refuseUnreachable(routes: Route[], context: z.RefinementCtx): void {
  for (const [index, { methods, path }] of routes.entries()) {
    const before = routes.slice(0, index).filter((entry) => isBelow(entry.path, path));
    const taken = methods.every((method) => before.some((entry) => entry.methods.includes(method)));
    const message = 'is behind a route that takes all of its requests';
    if (taken) context.addIssue({ code: 'custom', path: [index, 'path'], message });
  }
}

/** `APIS_FILE`: the APIs that may be called for a person, by the name they have under `/api/`. Nothing else is reached. */
export const apisSchema = z
  .record(
    z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be a lower-case name'),
    z.strictObject({
      url: baseUrl,
      scopes,
      /** Which methods and paths pass `/api/<name>`; reading everything unless said. */
      routes: z
        .array(route)
        .superRefine(refuseUnreachable)
        .default([{ methods: ['GET', 'HEAD'], path: '/*' }]),
      /** How long it may be silent; an event stream that has begun may be so for ever. */
      silenceSeconds: z.number().int().min(1).max(3_600).default(30),
      /** Headers of the browser that reach it besides the usual ones, such as a subscription key. */
      allowRequestHeaders: z.array(headerName).default([]),
      /** Headers of its responses that reach the browser besides the usual ones. */
      allowResponseHeaders: z.array(headerName).default([]),
    }),
  )
  .refine((apis) => Object.keys(apis).length > 0, 'must name at least one API')
  .refine(
    (apis) =>
      Object.values(apis).every(({ scopes, routes }) =>
        routes.every((entry) => sameResource(entry.scopes?.[0] ?? scopes[0] ?? '') === sameResource(scopes[0] ?? '')),
      ),
    'must keep to one resource per API: a token is for one',
  );

export type Apis = z.output<typeof apisSchema>;
export type Api = Apis[string];

/** The resource a scope belongs to: `api://orders/Orders.Read` → `api://orders`; a bare scope is Microsoft Graph's. */
function resourceOf(name: string, graph: string): string {
  return name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : graph;
}

/** As `resourceOf`, one name for every cloud's Graph: an authority has one of them. */
function sameResource(name: string): string {
  const resource = resourceOf(name, 'graph');
  return graphOrigins.includes(resource) ? 'graph' : resource;
}

/**
 * The scopes the API's route for this request needs, or undefined if no route lets it pass; neither does a path in which
 * a more lenient server finds a route of other scopes, or none. `path` is as `apiTarget` gives it.
 */
export function scopesFor(api: Api, method: string, path: string): string[] | undefined {
  const routeOf = (fits: (pattern: string) => boolean) =>
    api.routes.find((entry) => entry.methods.some((m) => m === method) && fits(entry.path));
  const written = routeOf((pattern) => isBelow(pattern, path));
  if (!written || (/%2f/i.test(path) && !written.encodedSlashes)) return undefined;
  const scopesOf = (found: typeof written | undefined) => found && (found.scopes ?? api.scopes).join(' ');
  const alike = readings(path).every(
    (reading) => scopesOf(routeOf((pattern) => isBelow(lenient(pattern), reading))) === scopesOf(written),
  );
  return alike ? (written.scopes ?? api.scopes) : undefined;
}

function isBelow(pattern: string, path: string): boolean {
  return pattern.endsWith('/*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}

/** What some servers pass over in a path: what is not seen or set above a letter, and ASP.NET's sessions. */
const passedOver = /[\p{C}\p{M}\p{DI}]|\([a-z]\([^)/]*\)\)/gu;
/** Parameters and streams, and the blanks and dots that Windows takes from the end. */
const endings = [/[;:?#].*$/s, /(?<![.\s+])[.\s+]+$/];

/** A path as lenient servers read it, with a slash at its end: as it is, without its parameters before it is decoded, or as a URL once more. */
export function readings(path: string): string[] {
  const written = [path, path.replaceAll(/(;|%3b)[^/]*/gi, ''), path.replace(/%(3f|23).*$/i, '')];
  return [...new Set(written)].map(lenient);
}

/** A path as far as servers agree in it; every path ends in a slash, a pattern may in `/*`. */
function lenient(path: string): string {
  const text = decodeURIComponent(path).normalize('NFKD').toUpperCase().toLowerCase().replaceAll(passedOver, '');
  const names = text.split('/').map((name) => endings.reduce((rest, ending) => rest.replace(ending, ''), name));
  const kept = names.filter(Boolean);
  return kept.at(-1) === '*' ? `/${kept.join('/')}` : ['', ...kept, ''].join('/');
}

/**
 * Full names for what a caller or an API calls a scope: a configured one, its short name, or `/.default` of a
 * configured resource. `graph` is the cloud's Microsoft Graph. Undefined if any of them is none of ours.
 */
export function knownScopes(apis: Apis, asked: string, graph: string): string[] | undefined {
  const configured = Object.values(apis).flatMap((api) => [
    ...api.scopes,
    ...api.routes.flatMap((entry) => entry.scopes ?? []),
  ]);
  const known = new Set([...configured, ...configured.map((name) => `${resourceOf(name, graph)}/.default`)]);
  const full = asked
    .split(' ')
    .filter(Boolean)
    .map((name) => (known.has(name) ? name : configured.find((candidate) => candidate.endsWith(`/${name}`))));
  return full.every((name) => name !== undefined) ? full : undefined;
}

/** An API names itself by its client id, we name it by the resource of its scopes: `<guid>/.default` is that resource's. */
export function inOurWords(asked: string, [scope = '']: string[], graph: string): string {
  return asked.replace(
    /(?<!\S)[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\/\.default(?!\S)/gi,
    () => `${resourceOf(scope, graph)}/.default`,
  );
}
