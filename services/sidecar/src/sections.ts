/** The options of .NET: `Section__Key__0` in the environment, `Section.Key` in a query. Keys are not case-sensitive there. */
export type Section = { [key: string]: Section | string };

/** Dictionaries: the rest of a name goes on the wire as it is written. */
const asWritten = /^extra(header|query)parameters$/i;

/** What stands in sections, with keys in lower case; blank is absent. Learn: "Configuration in ASP.NET Core". */
export function toSection(entries: Iterable<[name: string, value: string | undefined]>, separator: string): Section {
  const root: Section = Object.create(null);
  for (const [name, value = ''] of entries) {
    // Of a list each entry counts, of anything else the last.
    const parts = name.replace(/(?<=(__|\.)scopes)\1\d+$/i, '').split(separator);
    if (parts.length === 1 || value.trim() === '') continue;
    const dictionary = parts.slice(0, -1).findIndex((part) => asWritten.test(part)) + 1;
    const depth = dictionary || parts.length - 1;
    let at = root;
    for (const key of parts.slice(0, depth).map((part) => part.toLowerCase()))
      at = at[key] = typeof at[key] === 'object' ? at[key] : Object.create(null);
    const rest = parts.slice(depth).join(separator);
    const key = dictionary ? rest : rest.toLowerCase();
    at[key] = key === 'scopes' && typeof at[key] === 'string' ? `${at[key]} ${value}` : value;
  }
  return root;
}
