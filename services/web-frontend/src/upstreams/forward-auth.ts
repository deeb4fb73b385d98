import type { IncomingMessage } from 'node:http';
import { Fault } from '@onbehalf/node/core/fault';
import { isSafe } from '@onbehalf/node/web/api/api-wire';
import { sendJson, setHeaders, traceIdOf, type WebResponse } from '@onbehalf/node/web/http/response';
import { type Location, locationOf, setLocation } from '@onbehalf/node/web/session/location';
import type { Locations } from '@onbehalf/node/web/session/locations';
import { type Sessions, short } from '@onbehalf/node/web/session/session';
import type { StepUpLinks } from '@onbehalf/node/web/step-up/step-up';
import type { UpstreamTable } from './file/upstream-table.ts';
import type { Upstream } from './file/upstreams-file.ts';
import type { Admission, Admissions } from './people/admission.ts';
import { type Identities, plainHeaders } from './people/identities.ts';
import { isNavigation, type Refusal, signInFor } from './refusals.ts';
import { theirCookies } from './wire/upstream-cookies.ts';

type ForwardAuthDeps = {
  admissions: Admissions;
  identities: Identities;
  isTrusted: (req: IncomingMessage) => boolean;
  locations: Locations;
  sessions: Sessions;
  stepUpLinks: StepUpLinks;
  table: UpstreamTable;
};

/** Of a gateway that names no entry: a session is enough, and it learns nothing. */
const unnamed = { name: 'verify', require: 'session', pass: 'none', identityHeaders: false } as const;
type Verified = Pick<Upstream, 'name' | 'require' | 'pass' | 'api' | 'identityHeaders'>;

/** `/auth/verify`, the name of an entry, and what Envoy puts behind it: the path and query of the request. */
const shape = /^\/auth\/verify(?:\/([a-z][a-z0-9-]{0,62})(\/[\x21-\x7e]*)?)?(\?[\x21-\x7e]*)?$/;

/**
 * Forward authentication: a gateway asks before it lets a request pass. 200 has what the app learns of the person in
 * headers, always all of them, so that none of the client's own stays. Otherwise a page's reader is sent to sign in by
 * 302, a script has 401; nginx, which knows no other word, has 401 with the way to sign in beside it.
 */
export class ForwardAuth {
  readonly #deps: ForwardAuthDeps;

  constructor(deps: ForwardAuthDeps) {
    this.#deps = deps;
  }

  /**
   * `credentials`: whether tokens are given. Browsers reach the public listener, where they are not.
   * @throws Fault `not_found` for an entry that is not there, or not to be verified here; `forbidden`; the broker's.
   */
  async respond(req: IncomingMessage, res: WebResponse, credentials: boolean): Promise<void> {
    const [matched, name, path = '', query = ''] = shape.exec(req.url ?? '') ?? [];
    const entry: Verified | undefined = name === undefined ? unnamed : this.#deps.table.named(name);
    if (matched === undefined || !entry || (entry.pass !== 'none' && !credentials)) {
      throw new Fault('not_found', 'There is nothing at this address.');
    }
    const trusted = this.#deps.isTrusted(req);
    const original = originalOf(req, { path: path && path + query, trusted });
    this.#locate(req, original, trusted);
    if (entry.pass !== 'none' && !trusted) throw new Fault('forbidden', 'Only a trusted proxy may ask for this.');
    const target = short(`upstream ${entry.name}`);
    const admission = await this.#deps.admissions.admit(req, { upstream: entry, target, traceId: traceIdOf(res) });
    setHeaders(res, { 'Cache-Control': 'no-store' });
    if (admission.kind === 'nobody' || admission.kind === 'person') return this.#admit(req, res, { entry, admission });
    await this.#refuse(req, res, { admission, target, original });
  }

  /** Which of our public URLs the request came to that the gateway asks about: that one has the session. */
  #locate(req: IncomingMessage, { target }: Original, trusted: boolean): void {
    const { locations } = this.#deps;
    const told = trusted ? req.headers['x-forwarded-host']?.toString() : undefined;
    const { location } = locations.find({ rawHeaders: ['Host', told ?? req.headers.host ?? ''], url: target });
    const only = locations.hosts.length === 1 ? locations.first : undefined;
    if (!location && !only) throw new Fault('misdirected_request', 'This site does not have this host name.');
    setLocation(req, location ?? (only as Location));
  }

  async #admit(
    req: IncomingMessage,
    res: WebResponse,
    { entry, admission }: { entry: Verified; admission: Admission },
  ) {
    const cookies = theirCookies(req.headers.cookie ?? '');
    const headers = ['Authorization', '', 'Cookie', cookies, ...plainHeaders(undefined)];
    headers.push(...(await this.#deps.identities.headers(entry, admission)));
    for (let at = 0; at < headers.length; at += 2) res.setHeader(headers[at] as string, headers[at + 1] as string);
    if (admission.kind === 'person' && admission.stale) await this.#deps.sessions.write(res, admission.session);
    res.end();
  }

  async #refuse(
    req: IncomingMessage,
    res: WebResponse,
    refused: { admission: Refusal; target: string; original: Original },
  ) {
    const { admission, target, original } = refused;
    const page = isNavigation(req) && isSafe(original.method);
    const signIn = locationOf(req).address(
      await this.#signIn(req, { admission, target, ...(page && { returnTo: original.target }) }),
    );
    if (page && !original.nginx) {
      res.statusCode = 302;
      // Traefik reads a path as one of this service, whose address no browser knows.
      setHeaders(res, { Location: locationOf(req).origin + signIn });
      return void res.end();
    }
    res.statusCode = 401;
    if (page) setHeaders(res, { 'X-Sign-In': signIn });
    sendJson(res, { error: 'login_required', sign_in: signIn, trace_id: traceIdOf(res) });
  }

  async #signIn(
    req: IncomingMessage,
    { admission, ...call }: { admission: Refusal; target: string; returnTo?: string },
  ) {
    if (admission.kind !== 'step_up') return call.returnTo === undefined ? '/sign-in' : signInFor(call.returnTo);
    const { session, stepUp, scopes } = admission;
    return this.#deps.stepUpLinks.link(req, { session, stepUp, scopes, ...call });
  }
}

/** The request that a gateway asks about. `nginx`: it knows 200, 401 and 403 only. */
type Original = { target: string; method: string | undefined; nginx: boolean };

/** As the gateway tells it, where it is one of our proxies. It only says where to come back to: no rule rests on it. */
function originalOf(
  { headers, method }: IncomingMessage,
  { path, trusted }: { path: string; trusted: boolean },
): Original {
  const told = (name: string) => (trusted ? headers[name]?.toString() : undefined);
  const nginx = headers['x-original-uri'] !== undefined || headers['x-original-url'] !== undefined;
  const uri = told('x-original-uri') ?? pathOfUrl(told('x-original-url')) ?? told('x-forwarded-uri');
  const asked = told('x-original-method') ?? told('x-forwarded-method') ?? method;
  return { target: path || uri || '/', method: asked, nginx };
}

function pathOfUrl(url: string | undefined): string | undefined {
  return url === undefined ? undefined : url.replace(/^https?:\/\/[^/]*/i, '');
}
