import { Fault } from '@onbehalf/node/core/fault';

/**
 * The URL of a call: below the base URL and nowhere else, however the path is written. A segment that is `.` or `..` once
 * it is decoded and cut at `;`, a backslash, a control character or a scheme is refused: servers differ in what they
 * make of those. @throws Fault `invalid_request`.
 */
export function resolveUrl(baseUrl: string, relativePath: string, query: Record<string, string>): string {
  const [path = ''] = relativePath.split(/[?#]/, 1);
  if (isUnsafe(path)) throw new Fault('invalid_request', 'optionsOverride.RelativePath leads out of the API.');
  const base = new URL(`${baseUrl.replace(/\/$/, '')}/`);
  const url = new URL(base.href + relativePath.replace(/^\//, '').replace(/#.*$/s, ''));
  if (url.origin !== base.origin || !url.pathname.startsWith(base.pathname))
    throw new Fault('invalid_request', 'optionsOverride.RelativePath leads out of the API.');
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

function isUnsafe(path: string): boolean {
  // Twice: what a proxy decodes once a server may decode again.
  const spellings = [path, decode(path), decode(decode(path))];
  return spellings.some(
    (each) =>
      // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for.
      /[\\\x00-\x1f\x7f]|^\/\/|:\/\//.test(each) ||
      each.split('/').some((segment) => /^\.{1,2}\s*$/.test(segment.split(';', 1)[0]?.trim() ?? '')),
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Overlong or broken: nobody's honest path.
    return '\\';
  }
}
