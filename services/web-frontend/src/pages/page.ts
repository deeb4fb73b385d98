import { randomBytes } from 'node:crypto';
import type { Response } from 'express';
import { Html, html } from '../../../chassis/src/http/html.ts';
import { style } from './style.ts';

type Page = {
  title: string;
  main: Html;
  /** A path of ours that the browser goes to at once. */
  forward?: string;
  /** Whether the links of a signed-in person are shown. */
  signedIn?: boolean;
};

const icon =
  'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4.5" cy="4.5" r="3" fill="none" stroke="%232450b2" stroke-width="2"/></svg>';

/**
 * Sends a page: no script at all, the one style by nonce, forms to ourselves and to Entra's sign-out only (a browser
 * applies `form-action` to the redirect after a form too), never cached, so that Back after signing out shows nothing.
 */
export function sendPage(res: Response, { title, main, forward, signedIn = false }: Page): void {
  const traceId = String(res.locals.traceId);
  const viewer = res.app.locals.traceViewerUrl as string | undefined;
  const nonce = randomBytes(16).toString('base64');
  const formTargets = ["'self'", ...((res.app.locals.formTargets as (() => string[]) | undefined)?.() ?? [])].join(' ');
  res.set({
    'Cache-Control': 'no-store',
    // With no-referrer, browsers send `Origin: null` even with our own forms, and those are refused (Fetch section 3.2).
    // The callback's address holds the code, and its pages no form.
    'Referrer-Policy': res.req.path === '/auth/callback' ? 'no-referrer' : 'same-origin',
    'Content-Security-Policy': `default-src 'none'; img-src data:; style-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action ${formTargets}; frame-ancestors 'none'`,
  });
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${forward !== undefined && html`<meta http-equiv="refresh" content="0;url=${forward}">`}
<title>${title} · Onbehalf</title>
<link rel="icon" href="${icon}">
<style nonce="${nonce}">${new Html(style)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header><strong>Onbehalf</strong><a href="/">Home</a>${signedIn && html`<a href="/profile">Profile</a>`}</header>
<main id="main"><h1>${title}</h1>
${main}
</main>
<footer>Reference <span id="reference">${traceId}</span>${viewer && html` · <a href="${viewer}/traces/${traceId}">See its trace</a>`}</footer>
</body>
</html>
`;
  res.type('html').send(page.toString());
}
