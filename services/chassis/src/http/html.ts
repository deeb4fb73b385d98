/** Markup that is safe to send as it is: made by `html` only. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

type Value = Html | string | number | false | undefined | readonly Value[];

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** A template tag that escapes every value but markup of its own; lists are joined, `false` and undefined are nothing. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(String.raw({ raw: strings }, ...values.map(render)));
}

function render(value: Value): string {
  if (Array.isArray(value)) return value.map(render).join('');
  if (value instanceof Html) return value.toString();
  if (value === false || value === undefined) return '';
  return String(value).replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
