/**
 * A script for the one scope of the page, without imports, exports and comments. Signs that need no space lose it;
 * lines with a template or a pattern, and quoted text, stay.
 */
export function compactScript(source: string): string {
  const tighten = (code: string) => code.replace(/ ?([=<>?:&|*+{}(),;]) ?/g, '$1');
  const line = (text: string) =>
    /["`/]/.test(text)
      ? text.replace(/^[^"'`/]+/, tighten)
      : text.replace(/('[^']*')|[^']+/g, (part, quoted) => (quoted ? part : tighten(part)));
  return compact(withoutModules(source))
    .split('\n')
    .map(line)
    .join('\n')
    .replace(/([{},;(])\n|\n(?=[?:.&|)}])/g, '$1');
}

/** A style sheet without comments and needless spaces. */
export function compactStyle(source: string): string {
  return compact(source).replace(/\s*([{}:;,>])\s*/g, '$1');
}

/** The page's scripts share one scope, so they need no imports there. */
function withoutModules(script: string): string {
  return script.replace(/^import [^;]*;\n/gm, '').replace(/^export /gm, '');
}

/** Without indentation and comments the page stays small; these files do not depend on either. */
function compact(source: string): string {
  return source
    .replace(/^\s*\/\*\*?[\s\S]*?\*\/$/gm, '')
    .replace(/\/\*\* @\S+ .*?\*\/ ?/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('//'))
    .join('\n');
}
