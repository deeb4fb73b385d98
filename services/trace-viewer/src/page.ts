import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { toMermaid } from './draw/mermaid.js';
import { drawSequence } from './draw/sequence.js';
import { escapeText } from './draw/svg.js';
import { drawWaterfall } from './draw/waterfall.js';
import type { Flow } from './flow.ts';
import { compactScript, compactStyle } from './page/compact.ts';
import type { Span } from './span.ts';

export type Page = { html: string; policy: string };

const drawing = ['svg', 'spans', 'vocabulary', 'words', 'steps', 'narrow', 'sequence', 'waterfall'].map(
  (name) => `draw/${name}.js`,
);
/** In this order they become one script: what a file imports stands before it. */
export const scripts = [
  ...drawing,
  'page/state.js',
  'page/list.js',
  'page/details.js',
  'page/stage.js',
  'page/page.js',
];
const title = 'Onbehalf traces';

/** `drawing.css` stands alone but for the page's palette: other pages draw traces too. */
const style = read('page/page.css') + read('draw/drawing.css');

/** The page as one text without outside parts: style and scripts are set into the template, once per process. */
const template = read('page/page.html')
  .replace('/*style*/', () => compactStyle(style))
  .replace('/*script*/', () => scripts.map((name) => compactScript(read(name))).join('\n'));

const exportStyle = compactStyle(style + read('page/export.css'));

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
<body><main><h1>${escapeText(flow.action)}</h1><p>${when} · <code>${flow.traceId}</code></p>
<h2>Sequence</h2>${drawn('Sequence', drawSequence(spans, { width: 1180, detail: true }))}
<h2>Waterfall</h2>${drawn('Waterfall', drawWaterfall(spans, { width: 1180, detail: true }))}
<h2>Spans</h2>${rows.join('\n')}
<details><summary>Mermaid</summary><pre>${escapeText(toMermaid(spans))}</pre></details></main></body></html>`;
  return { html, policy: policy("'none'", `'nonce-${nonce}'`) };
}

/** A drawing to look at: it can be scrolled by keyboard, and nothing of it can be chosen. */
function drawn(name: string, drawing: string): string {
  const rows = drawing.replaceAll(' role="option"', '');
  return `<div class="scroll" role="region" tabindex="0" aria-label="${name}">${rows}</div>`;
}

function policy(script: string, style: string): string {
  return [
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    `script-src ${script}; style-src ${style}; img-src data:; connect-src 'self'`,
  ].join('; ');
}

function read(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}
