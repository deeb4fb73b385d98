import { origin } from '@onbehalf/node/core/address';
import { readings } from '@onbehalf/node/web/apis/apis';
import { z } from 'zod';

/** The first segments of our own paths: nothing stands in front of them. */
const ownSegments = ['sign-in', 'sign-out', 'session', 'api', 'auth'];

/** Whether this reading of a path, as `readings` gives it, leads to a path of ours. */
export function isOurs(reading: string): boolean {
  return ownSegments.some((segment) => reading.startsWith(`/${segment}/`));
}

/** How lenient servers read a prefix; it ends in a slash. */
export const lenientPrefix = (path: string): string => readings(path)[0] ?? '/';

const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be a lower-case name');

const upstream = z
  .strictObject({
    /** The public host that it answers at, of those in the public URLs; every one of them unless said. */
    host: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/, 'must be a host in lower case, with its port if it has one')
      .optional(),
    /** It and everything below it; of several the longest takes a request. */
    path: z
      .string()
      .regex(/^\/([\w\-.~]+(\/[\w\-.~]+)*)?$/, 'must be a path without a slash at its end')
      .refine((path) => !path.split('/').some((segment) => /^\.+$/.test(segment)), 'must have no . or ..')
      .refine((path) => !isOurs(lenientPrefix(path)), 'is of this service itself')
      .default('/'),
    /** Where requests go, path and query as they came. Without it and `folder` only `/auth/verify/<name>` knows it. */
    url: origin.optional(),
    /** Files to serve, with `index.html` for every page that is no file, as single-page apps have it. */
    folder: z.string().regex(/^\//, 'must be an absolute path').optional(),
    /** Who may come: everybody, or people with a session. */
    require: z.enum(['none', 'session'], 'must be none or session').default('session'),
    /** What it learns of the person: an access token for `api`, a JWT of ours, or nothing. */
    pass: z.enum(['token', 'identity', 'none'], 'must be token, identity or none').default('none'),
    /** The API of APIS_FILE whose scopes the token has. */
    api: name.optional(),
    /** Whether it gets plain `X-Auth-*` headers too. */
    identityHeaders: z.boolean().default(false),
    /** Whether `%2F` may stand in a path, for it to take as a part of a segment. */
    encodedSlashes: z.boolean().default(false),
    /** How long it may be silent; an event stream that has begun may be so for ever. */
    silenceSeconds: z.number().int().min(1).max(3_600).default(30),
    /** How long a WebSocket may be without a byte in either direction. */
    idleSeconds: z.number().int().min(1).max(86_400).default(900),
    /** The policy of a `folder`'s pages, in place of one that allows what is of this site. */
    contentSecurityPolicy: z
      .string()
      .regex(/^[\x20-\x7e]{1,2000}$/, 'must be one line of text')
      .optional(),
  })
  .superRefine(({ url, folder, pass, api, identityHeaders }, context) => {
    const refuse = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if (url !== undefined && folder !== undefined) refuse('folder', 'excludes url');
    if (pass === 'token' && api === undefined) refuse('api', 'is required where pass is token');
    if (pass !== 'token' && api !== undefined) refuse('api', 'needs pass: token');
    if (folder !== undefined && (pass !== 'none' || identityHeaders)) refuse('pass', 'says nothing to files');
  });

export type Upstream = z.output<typeof upstream> & { name: string };

/** What the file is held against. */
export type Surroundings = {
  /** The hosts of the public URLs, with their ports. */
  publicHosts: readonly string[];
  /** Names and addresses of this machine, as URLs write them, and the ports that this service listens at. */
  own: { hosts: readonly string[]; ports: readonly number[] };
  brokerUrl: string;
  /** The names of APIS_FILE. */
  apis: readonly string[];
};

/**
 * `UPSTREAMS_FILE`: the apps that stand behind this service, by name. Two that would take the same requests, one that
 * takes none, and one that is this service itself are refused.
 */
export const upstreamsSchema = (surroundings: Surroundings) =>
  z
    .record(name, upstream)
    .superRefine((upstreams, context) => {
      const all = Object.entries(upstreams).map(([name, each]) => ({ ...each, name }));
      for (const each of all) {
        for (const [key, message] of [...faultsOf(each, surroundings), ...clashesOf(each, all, surroundings)])
          context.addIssue({ code: 'custom', path: [each.name, key], message });
      }
    })
    .transform((upstreams): Upstream[] => Object.entries(upstreams).map(([name, each]) => ({ ...each, name })));

type Told = [key: string, message: string];

function* faultsOf({ host, url, api }: Upstream, { publicHosts, own, brokerUrl, apis }: Surroundings): Generator<Told> {
  if (host !== undefined && !publicHosts.includes(host)) yield ['host', 'is none of the public URLs'];
  if (api !== undefined && !apis.includes(api)) yield ['api', 'is not in APIS_FILE'];
  if (url === undefined) return;
  const { host: address, hostname, port, protocol } = new URL(url);
  const at = Number(port) || (protocol === 'https:' ? 443 : 80);
  const here = own.hosts.includes(bare(hostname)) || thisHost.test(hostname);
  if (publicHosts.includes(address) || (here && own.ports.includes(at))) yield ['url', 'is this service itself'];
  if (url === new URL(brokerUrl).origin) yield ['url', 'is the token broker, which no browser may reach'];
}

/** What every machine calls itself, as URLs write it. */
const thisHost = /^(127\.|0\.0\.0\.0$|\[::1?\]$|\[::ffff:7f)|(^|\.)localhost\.?$/;
const bare = (hostname: string) => hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');

const isServed = ({ url, folder }: Upstream) => url !== undefined || folder !== undefined;

/** What a reader of the file would not expect: an entry of the same place, or no request that reaches this one. */
function* clashesOf(each: Upstream, all: readonly Upstream[], { publicHosts }: Surroundings): Generator<Told> {
  if (!isServed(each)) return;
  const prefix = lenientPrefix(each.path);
  const samePlace = all.filter((other) => other !== each && isServed(other) && lenientPrefix(other.path) === prefix);
  const twice = samePlace.find((other) => other.host === each.host && other.name < each.name);
  if (twice) yield ['path', `is that of ${twice.name}, at the same host`];
  const others = samePlace.map(({ host }) => host);
  if (each.host === undefined && publicHosts.every((host) => others.includes(host)))
    yield ['path', 'is taken at every host by entries of these hosts: no request reaches it'];
}
