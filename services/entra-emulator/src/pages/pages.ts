import { randomBytes } from 'node:crypto';
import type { Permission } from '../directory/consent.ts';
import type { App, User } from '../directory/seed.ts';
import type { CallIds, Refusal } from '../requests/aadsts.ts';
import type { HttpResponse } from '../requests/call.ts';
import { style } from './style.ts';
import { texts } from './texts.ts';

/** What every form of a sign-in needs. */
export type Form = { tx: string; action: string; client: App; redirectUri: string | undefined };

/** The page lists so many people; for others one types the name. */
const maxListed = 12;

export function pickAccount(
  form: Form & { users: User[]; hinted: User | undefined; problem: string | undefined },
): HttpResponse {
  const { users, hinted, problem: text, client } = form;
  const shown = users.slice(0, maxListed);
  const button = (user: User) =>
    `<button class="account" name="username" value="${html(user.upn)}"${user === hinted ? ' autofocus' : ''}>
      <strong>${html(user.name)}</strong><span>${html(user.upn)}</span></button>`;
  return page(
    texts.pickAccount.title,
    `<p>${texts.pickAccount.says(strong(client))}</p>
    ${text ? `<p class="problem" role="alert">${html(text)}</p>` : ''}
    ${stepForm(form, shown.map(button).join('\n'))}
    ${stepForm(
      form,
      `<label for="username">${texts.pickAccount.other}</label>
      <input id="username" name="username" autocomplete="off" spellcheck="false" required value="${html(text ? '' : (hinted?.upn ?? ''))}">
      <button>${texts.next}</button>`,
    )}`,
    form,
  );
}

export function approve(form: Form & { user: User; acrs: string[] }): HttpResponse {
  const { user, acrs, client } = form;
  return page(
    texts.approve.title,
    `<p>${texts.approve.says(html(user.name), strong(client))}</p>
    ${acrs.length > 0 ? `<p class="fine">${texts.approve.contexts(html(acrs.join(', ')))}</p>` : ''}
    ${stepForm(
      form,
      `<button class="main" name="stepup" value="approve">${texts.approve.yes}</button>
      <button name="stepup" value="deny">${texts.approve.no}</button>`,
    )}`,
    form,
  );
}

export function permissions(form: Form & { user: User; permissions: Permission[] }): HttpResponse {
  const { user, permissions: missing, client } = form;
  const describe = ({ client: asking, resource, name }: Permission) => {
    const { description } = resource.scopes.find(({ value }) => value === name) ?? { description: name };
    const forOther = asking === client ? '' : ` <span class="fine">(${html(asking.displayName)})</span>`;
    return `<li>${html(description)}${forOther}</li>`;
  };
  return page(
    texts.permissions.title,
    `<p>${texts.permissions.says(html(user.name), strong(client))}</p>
    <ul>${missing.map(describe).join('\n')}</ul>
    ${stepForm(
      form,
      `<button class="main" name="consent" value="accept">${texts.permissions.yes}</button>
      <button name="consent" value="cancel">${texts.permissions.no}</button>`,
    )}`,
    form,
  );
}

/** An error that cannot go to a redirect URI. */
export function problem(refusal: Refusal, ids: CallIds): HttpResponse {
  const body = `<p class="problem" role="alert">${html(refusal.message)}</p>
    <dl class="fine"><dt>${texts.problem.correlation}</dt><dd>${html(ids.correlationId)}</dd>
    <dt>${texts.problem.trace}</dt><dd>${html(ids.traceId)}</dd><dt>${texts.problem.timestamp}</dt><dd>${html(ids.timestamp)}</dd></dl>`;
  return { ...page(texts.problem.title, body), status: refusal.status, outcome: String(refusal.code) };
}

/** Asks for the code that a device shows. */
export function enterCode(action: string, text?: string): HttpResponse {
  return page(
    texts.enterCode.title,
    `<p>${texts.enterCode.says}</p>
    ${text ? `<p class="problem" role="alert">${html(text)}</p>` : ''}
    <form method="post" action="${html(action)}"><label for="user_code">${texts.enterCode.code}</label>
      <input id="user_code" name="user_code" autocomplete="off" spellcheck="false" required autofocus>
      <button class="main">${texts.next}</button></form>`,
  );
}

/** The person has signed in; the device continues. */
export function deviceDone(client: App): HttpResponse {
  const body = `<p>${texts.deviceDone.says(strong(client))}</p>`;
  return { ...page(texts.deviceDone.title, body), outcome: 'ok' };
}

/** A form that a script submits; without script a button does. */
export function formPost(redirectUri: string, members: Record<string, string>): HttpResponse {
  const inputs = Object.entries(members).map(([name, value]) => hidden(name, value));
  const body = `<form method="post" action="${html(redirectUri)}">${inputs.join('')}
    <button class="main">${texts.continue}</button></form>`;
  return page(texts.formPost.title, body, { redirectUri, script: 'document.forms[0].submit()' });
}

/** Tells every application by a hidden frame, then continues. */
export function signedOut(frames: string[], next: string | undefined): HttpResponse {
  const iframes = frames.map((url) => `<iframe src="${html(url)}" title="${texts.signedOut.frame}" hidden></iframe>`);
  const onward = next ? `<p><a href="${html(next)}">${texts.continue}</a></p>` : '';
  const body = `<p>${texts.signedOut.says}</p>${onward}${iframes.join('\n')}`;
  const head = next ? `<meta http-equiv="refresh" content="1;url=${html(next)}">` : '';
  return page(texts.signedOut.title, body, { frames, head });
}

type PageOptions = { redirectUri?: string | undefined; script?: string; frames?: string[]; head?: string };

function page(
  title: string,
  body: string,
  { redirectUri, script, frames = [], head = '' }: PageOptions = {},
): HttpResponse {
  const nonce = randomBytes(16).toString('base64');
  const origins = (urls: string[]) => [...new Set(urls.map((url) => new URL(url).origin))].join(' ');
  const policy = [
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    `style-src 'nonce-${nonce}'`,
    `script-src ${script ? `'nonce-${nonce}'` : "'none'"}`,
    // The response to a form is a redirect to the application, and browsers apply form-action to it too.
    `form-action 'self' ${redirectUri ? origins([redirectUri]) : ''}`.trim(),
    `frame-src ${frames.length > 0 ? origins(frames) : "'none'"}`,
  ];
  return {
    status: 200,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy.join('; '),
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
    },
    outcome: 'page',
    body: `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${html(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">${head}
<style nonce="${nonce}">${style}</style></head>
<body><main><p class="brand">${texts.brand}</p>
<h1>${html(title)}</h1>
${body}</main>
${script ? `<script nonce="${nonce}">${script}</script>` : ''}</body>
</html>
`,
  };
}

function stepForm({ tx, action }: Form, inside: string): string {
  return `<form method="post" action="${html(action)}">${hidden('tx', tx)}${inside}</form>`;
}

function hidden(name: string, value: string): string {
  return `<input type="hidden" name="${html(name)}" value="${html(value)}">`;
}

/** An application's name in a sentence. */
function strong({ displayName }: App): string {
  return `<strong>${html(displayName)}</strong>`;
}

function html(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
