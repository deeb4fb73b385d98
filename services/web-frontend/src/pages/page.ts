import { randomBytes } from 'node:crypto';
import { Html, html } from '@onbehalf/chassis/http/html';
import { pathOf } from '@onbehalf/node/web/http/request';
import { findLocation, type Location } from '@onbehalf/node/web/session/location';
import type { Response } from 'express';
import { textsFor } from './languages.ts';
import { style } from './style.ts';
import type { Texts } from './texts.ts';

type Page = {
  title: string;
  main: Html;
  /** A path of ours that the browser goes to at once. */
  forward?: string;
  /** Whether the links of a signed-in person are shown. */
  signedIn?: boolean;
};

/**
 * Where a page is shown. `to`: the address of a path of ours; `outside`: whether there is nothing of ours at this host or
 * path; `viewer`: where people look at traces, in development.
 */
export type Here = { to: (path: string) => string; outside: boolean; viewer: string | undefined };

/** A page in whatever language its reader likes, at whatever location. */
export type View = (texts: Texts, here: Here) => Page;

/** What pages call the product, and its logo as a `data:` URL. */
export type Product = { name: string; logo?: string | undefined };

/** What every page of an app has in common: `app.locals`. */
type Locals = { product: Product; traceViewerUrl?: string; formTargets?: () => string[] };

const icon =
  'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4.5" cy="4.5" r="3" fill="none" stroke="%232450b2" stroke-width="2"/></svg>';

/**
 * Sends a page: no script at all, the one style by nonce, forms to ourselves and to Entra's sign-out only (a browser
 * applies `form-action` to the redirect after a form too), never cached, so that Back after signing out shows nothing.
 */
export function sendPage(res: Response, view: View): void {
  const locals = res.app.locals as Locals;
  const nonce = randomBytes(16).toString('base64');
  const formTargets = ["'self'", ...(locals.formTargets?.() ?? [])].join(' ');
  res.set({
    'Cache-Control': 'no-store',
    // With no-referrer, browsers send `Origin: null` even with our own forms, and those are refused (Fetch section 3.2).
    // The callback's address holds the code, and its pages no form.
    'Referrer-Policy': pathOf(res.req) === '/auth/callback' ? 'no-referrer' : 'same-origin',
    'Content-Security-Policy': `default-src 'none'; img-src data:; style-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action ${formTargets}; frame-ancestors 'none'`,
  });
  const location = findLocation(res.req);
  const frame = { ...locals, location, nonce, traceId: res.locals.traceId };
  res.type('html').send(String(document(view, textsFor(res.req), frame)));
}

type Frame = Locals & { location: Location | undefined; nonce: string; traceId: string };

function document(view: View, texts: Texts, { product, ...frame }: Frame): Html {
  const { location, nonce, traceId, traceViewerUrl: viewer } = frame;
  const to = (path: string) => location?.address(path) ?? path;
  const { title, main, forward, signedIn = false } = view(texts, { to, outside: !location, viewer });
  return html`<!doctype html>
<html lang="${texts.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${forward !== undefined && html`<meta http-equiv="refresh" content="0;url=${forward}">`}
<title>${title} &middot; ${product.name}</title>
<link rel="icon" href="${product.logo ?? icon}">
<style nonce="${nonce}">${new Html(style)}</style>
</head>
<body>
<a class="skip" href="#main">${texts.skip}</a>
<header>${product.logo !== undefined && html`<img class="logo" src="${product.logo}" alt="">`}<strong>${product.name}</strong>${location && html`<a href="${to('/')}">${texts.home}</a>`}${signedIn && html`<a href="${to('/profile')}">${texts.profile}</a>`}</header>
<main id="main"><h1>${title}</h1>
${main}
</main>
<footer>${texts.reference} <span id="reference">${traceId}</span>${viewer && html` <a href="${viewer}/traces/${traceId}">${texts.trace}</a>`}</footer>
</body>
</html>
`;
}
