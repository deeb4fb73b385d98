/** The configuration of .NET by environment variables: `Section__Key__0`. Keys are not case-sensitive there. */
export type Section = { [key: string]: Section | string };

/** Dictionaries whose keys go on the wire as they are written. */
const asWritten = new Set(['extraheaderparameters', 'extraqueryparameters']);

/**
 * The variables below one section as nested objects, their keys in lower case. `Scopes__0`, `Scopes__1` become an
 * object with the keys `0` and `1`. Learn: "Configuration in ASP.NET Core", environment variables.
 */
export function readSection(env: Record<string, string | undefined>, name: string): Section {
  const root: Section = Object.create(null);
  for (const [key, value] of Object.entries(env)) {
    const [first = '', ...path] = key.split('__');
    if (value === undefined || first.toLowerCase() !== name.toLowerCase() || path.length === 0) continue;
    put(root, path, value);
  }
  return root;
}

function put(root: Section, path: string[], value: string): void {
  let at = root;
  let verbatim = false;
  for (const [index, written] of path.entries()) {
    const key = verbatim ? written : written.toLowerCase();
    verbatim ||= asWritten.has(key);
    if (index === path.length - 1) at[key] = value;
    else at = at[key] = typeof at[key] === 'object' ? at[key] : Object.create(null);
  }
}

/** `Scopes__0=a`, `Scopes__1=b`, or `Scopes=a b`, as a list. */
export function readList(value: Section | string | undefined): string[] {
  const texts = typeof value === 'string' ? value.split(/[\s,]+/) : Object.values(value ?? {}).map(String);
  return texts.filter(Boolean);
}
