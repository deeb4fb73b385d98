import { ConfigError } from '@onbehalf/node/core/config-error';

/** It stands in every page, in its head and in its tab. */
const maxBytes = 16_384;

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** A drawing in SVG's namespace, after no more than a declaration and comments: without one a browser draws nothing. */
const svg =
  /^\uFEFF?\s*(<\?xml[^>]*\?>\s*)?(<!--[\s\S]*?-->\s*)*<svg\s[^>]*xmlns\s*=\s*["']http:\/\/www\.w3\.org\/2000\/svg["']/;

/** What a picture has no need of. An <img> runs none of it and loads nothing; a picture opened alone might. */
const active =
  /<!doctype|<!entity|<script|<foreignobject|\son[a-z]+\s*=|javascript:|href\s*=\s*["']?\s*(?!["'#]|data:image\/)\S/i;

/**
 * `LOGO_FILE` as a `data:` URL, which the pages' policy allows for pictures and for nothing else.
 * @throws ConfigError unless it is an SVG without scripts and references, or a PNG, of at most 16 KB.
 */
export function toLogo(file: Buffer): string {
  if (file.length > maxBytes) throw refused(`has more than ${maxBytes} bytes`);
  if (file.subarray(0, pngSignature.length).equals(pngSignature))
    return `data:image/png;base64,${file.toString('base64')}`;
  const text = file.toString();
  if (!svg.test(text)) throw refused('is neither an SVG nor a PNG');
  if (active.test(text)) throw refused('has scripts, entities or references: a picture needs none');
  return `data:image/svg+xml;base64,${file.toString('base64')}`;
}

const refused = (why: string) => new ConfigError(`The LOGO_FILE is not usable:\n  LOGO_FILE: ${why}`);
