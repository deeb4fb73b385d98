// What the visitor reads of a page: enough HTML for our own and the emulator's, which are the only ones it visits.

/** A form of a page as a browser would send it. */
export type Form = {
  /** Where it goes, as written in the page. */
  action: string;
  method: 'get' | 'post';
  fields: [name: string, value: string][];
  buttons: { text: string; name: string; value: string }[];
};

const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ', middot: '·' };

/** Text with its character references resolved. */
export function decode(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(Number.parseInt(hex, 16));
    return decimal ? String.fromCodePoint(Number(decimal)) : (named[name] ?? whole);
  });
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\s${name}(?:\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+)))?(?=[\\s/>])`, 'i').exec(tag);
  return found ? decode(found[1] ?? found[2] ?? found[3] ?? '') : undefined;
}

/** The words a person reads in a piece of HTML. */
export function textOf(html: string): string {
  const visible = html.replace(/<(script|style|template)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
  return decode(visible).replace(/\s+/g, ' ').trim();
}

/** The forms of a page. */
export function formsOf(html: string): Form[] {
  return [...html.matchAll(/(<form\b[^>]*>)([\s\S]*?)<\/form>/gi)].map(([, tag = '', inside = '']) => {
    const inputs = [...inside.matchAll(/<input\b[^>]*>/gi)].map(([input]) => input);
    const unchecked = (input: string) =>
      /^(checkbox|radio)$/i.test(attribute(input, 'type') ?? '') && attribute(input, 'checked') === undefined;
    const sent = inputs.filter((input) => attribute(input, 'name') && !unchecked(input));
    return {
      action: attribute(tag, 'action') ?? '',
      method: attribute(tag, 'method')?.toLowerCase() === 'post' ? 'post' : 'get',
      fields: sent.map((input) => [attribute(input, 'name') ?? '', attribute(input, 'value') ?? '']),
      buttons: [...inside.matchAll(/(<button\b[^>]*>)([\s\S]*?)<\/button>/gi)].map(([, button = '', label = '']) => ({
        text: textOf(label),
        name: attribute(button, 'name') ?? '',
        value: attribute(button, 'value') ?? '',
      })),
    };
  });
}

/** The links of a page: what they say and where they go, as written. */
export function linksOf(html: string): { text: string; href: string }[] {
  return [...html.matchAll(/(<a\b[^>]*>)([\s\S]*?)<\/a>/gi)].map(([, tag = '', inside = '']) => ({
    text: textOf(inside),
    href: attribute(tag, 'href') ?? '',
  }));
}

/** Where the frames of a page are, as written. */
export function framesOf(html: string): string[] {
  return [...html.matchAll(/<iframe\b[^>]*>/gi)].map(([tag]) => attribute(tag, 'src') ?? '').filter(Boolean);
}

/** Where a page goes on by itself (`<meta http-equiv="refresh">`), as written. */
export function refreshOf(html: string): string | undefined {
  const tag = /<meta\b[^>]*http-equiv="?refresh[^>]*>/i.exec(html)?.[0];
  return tag && /^\s*[\d.]+\s*[;,]\s*url=(.*)$/i.exec(attribute(tag, 'content') ?? '')?.[1]?.trim();
}
