const escaped = (text) => text.trim().replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/**
 * A sequence diagram in Mermaid as a list of its messages, each from whom to whom: GitHub draws it by a script of a
 * megabyte, and a list is read by everybody.
 * @throws Error at a line that is none of those the pages have.
 */
export function sequenceList(diagram) {
  const names = new Map();
  const messages = [];
  for (const line of diagram.trim().split('\n').slice(1)) {
    const [, id, name] = /^\s*(?:actor|participant) (\w+) as (.+)$/.exec(line) ?? [];
    const [, from, to, text] = /^\s*(\w+)--?>>(\w+): (.+)$/.exec(line) ?? [];
    if (id) names.set(id, name.split('<br/>')[0]);
    else if (names.has(from) && names.has(to)) {
      const [sender, receiver] = [from, to].map((one) => `<strong>${escaped(names.get(one))}</strong>`);
      messages.push(`<li>${sender} to ${receiver}: ${escaped(text)}</li>`);
    } else throw new Error(`no line of a sequence diagram: ${line}`);
  }
  return `<ol>${messages.join('')}</ol>\n`;
}
