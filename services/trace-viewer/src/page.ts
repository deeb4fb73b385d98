import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Flow } from './flow.ts';
import { compactScript, compactStyle } from './page/compact.ts';
import { toMermaid } from './page/mermaid.js';
import { drawSequence } from './page/sequence.js';
import { escapeText } from './page/svg.js';
import { drawWaterfall } from './page/waterfall.js';
import type { Span } from './span.ts';

export type Page = { html: string; policy: string };

const drawing = ['svg.js', 'spans.js', 'sequence.js', 'waterfall.js'];
const title = 'Onbehalf traces';

/** `drawing.css` stands alone but for the page's palette: other pages draw traces too. */
const style = read('page.css') + read('drawing.css');

/** The page as one text without outside parts: style and scripts are set into the template, once per process. */
const template = read('page.html')
  .replace('/*style*/', () => compactStyle(style))
  .replace('/*script*/', () => [...drawing, 'page.js'].map((name) => compactScript(read(name))).join('\n'));

const exportStyle = compactStyle(style + read('export.css'));

/** The one page, with a fresh nonce for its style and script. */
export function renderPage(): Page {
  const nonce = randomBytes(16).toString('base64');
  return { html: template.replaceAll('{nonce}', nonce), policy: policy(`'nonce-${nonce}'`, `'nonce-${nonce}'`) };
}

/** A trace as one file that shows without a server and without scripts: both drawings and every attribute. */
export function renderExport({ flow, spans }: { flow: Flow; spans: Span[] }): Page {
  const nonce = randomBytes(16).toString('base64');
  const when = new Date(flow.startMs).toISOString();
  const rows = spans.map(
    (span) =>
      `<details><summary>${escapeText(`${span.service} · ${span.name}`)}</summary><pre>${escapeText(
        JSON.stringify(span, undefined, 2),
      )}</pre></details>`,
  );
  const html = `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>${escapeText(flow.action)} · ${title}</title><style nonce="${nonce}">${exportStyle}</style>
<body><h1>${escapeText(flow.action)}</h1><p>${when} · <code>${flow.traceId}</code></p>
<h2>Sequence</h2><div class="scroll">${drawSequence(spans, { width: 1180 })}</div>
<h2>Waterfall</h2><div class="scroll">${drawWaterfall(spans, { width: 1180 })}</div>
<h2>Spans</h2>${rows.join('\n')}
<details><summary>Mermaid</summary><pre>${escapeText(toMermaid(spans))}</pre></details></body></html>`;
  return { html, policy: policy("'none'", `'nonce-${nonce}'`) };
}

function policy(script: string, style: string): string {
  return [
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    `script-src ${script}; style-src ${style}; img-src data:; connect-src 'self'`,
  ].join('; ');
}

function read(name: string): string {
  return readFileSync(new URL(`page/${name}`, import.meta.url), 'utf8');
}
