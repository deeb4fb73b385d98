import { Fault } from '@onbehalf/node/core/fault';
import { isSafe } from '@onbehalf/node/web/api/api-wire';
import express, { type RequestHandler } from 'express';
import type { Upstream } from './file/upstreams-file.ts';
import { isNavigation } from './refusals.ts';

/**
 * What is of this site may be shown, run and called; styles may stand in elements, as frameworks write them. A browser
 * applies `form-action` to the redirect after a form too, so that it names Entra's sign-out. CSP 3 section 6.4.1.
 */
const policyFor = (formTargets: readonly string[]) =>
  `default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action ${["'self'", ...formTargets].join(' ')}; frame-ancestors 'none'`;

/**
 * Serves a single-page app's files: a path that names none is one of the app's own pages where a browser opens it, and
 * nothing where a script does. Every use is asked for again, so that a new release shows at once. `formTargets`: origins
 * that our own forms lead to.
 */
export function serveFiles(
  { folder = '', path, require, contentSecurityPolicy }: Upstream,
  formTargets: () => readonly string[],
): RequestHandler {
  const common = { dotfiles: 'ignore', cacheControl: false } as const;
  const files = express.static(folder, { ...common, redirect: false });
  return (req, res, next) => {
    res.set({
      'Cache-Control': require === 'session' ? 'private, no-cache' : 'no-cache',
      'Content-Security-Policy': contentSecurityPolicy ?? policyFor(formTargets()),
      // With no-referrer, browsers send `Origin: null` even with our own forms, and those are refused (Fetch section 3.2).
      'Referrer-Policy': 'same-origin',
    });
    if (require === 'session') res.vary('Cookie');
    if (path !== '/') req.url = req.url.slice(path.length).replace(/^(?!\/)/, '/');
    files(req, res, (error) => {
      if (error || !isSafe(req.method) || !isNavigation(req)) return next(error);
      res.sendFile('index.html', { ...common, root: folder }, (failed) => {
        if (failed && !res.headersSent)
          next(new Fault('not_found', 'There is nothing at this address.', { cause: failed }));
      });
    });
  };
}
