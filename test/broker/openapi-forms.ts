import fc from 'fast-check';

/** A schema of the interface, as far as zod writes such. */
export type Schema = {
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  const?: string;
  enum?: string[];
  pattern?: string;
  maxLength?: number;
  contentMediaType?: string;
};
type Form = Record<string, string>;

/** What makes a difference at an endpoint, by parameter: random text never would. */
export type Known = Record<string, fc.Arbitrary<string>>;

/** Text as a form can carry it: no NUL, no half of a surrogate pair. */
const anyText = (most: number) =>
  fc.string({ maxLength: most, unit: 'binary' }).filter((text) => !text.includes('\0') && text.isWellFormed());

const jsonObject = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })).map((value) => JSON.stringify(value));

function parameterOf(name: string, schema: Schema, known: Known): fc.Arbitrary<string> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const { maxLength: most = 40 } = schema;
  const generic =
    schema.contentMediaType === 'application/json'
      ? jsonObject
      : schema.pattern?.includes('0-9a-fA-F')
        ? fc.uuid()
        : schema.pattern?.includes('43,128')
          ? fc.stringMatching(/^[A-Za-z0-9\-._~]{43,128}$/)
          : fc.oneof({ weight: 9, arbitrary: anyText(40) }, { weight: 1, arbitrary: anyText(most) });
  return known[name] ? fc.oneof({ weight: 3, arbitrary: known[name] }, { weight: 1, arbitrary: generic }) : generic;
}

/** Forms that satisfy a schema, or nearly: what several of its parts say of a parameter, one of them decides. */
export function formsOf(schema: Schema, known: Known): fc.Arbitrary<Form> {
  const { allOf = [], anyOf = [], oneOf = [], properties = {}, required = [] } = schema;
  const shown = Object.entries(properties).filter(([, one]) => one.const !== '');
  const own = fc.record(Object.fromEntries(shown.map(([name, one]) => [name, parameterOf(name, one, known)])), {
    requiredKeys: shown.map(([name]) => name).filter((name) => required.includes(name)),
  }) as fc.Arbitrary<Form>;
  const choices = [...anyOf, ...oneOf].map((one) => formsOf(one, known));
  const parts = [
    own,
    ...allOf.map((one) => formsOf(one, known)),
    ...(choices.length > 0 ? [fc.oneof(...choices)] : []),
  ];
  return fc.tuple(...parts).map((forms) => Object.assign({}, ...forms.reverse()));
}

/** The same forms with something wrong: a parameter lost, emptied, spoilt, sent twice, or one that nobody knows. */
export function spoilt(forms: fc.Arbitrary<Form>): fc.Arbitrary<[string, string][]> {
  const spoiler = fc.record({
    what: fc.constantFrom('lose', 'empty', 'spoil', 'twice', 'unknown'),
    which: fc.nat(20),
    text: anyText(30),
  });
  const spoilers = fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(spoiler, { maxLength: 3 }) },
  );
  return fc.tuple(forms, spoilers).map(([form, all]) => {
    let pairs = Object.entries(form);
    for (const { what, which, text } of all) {
      const at = which % Math.max(1, pairs.length);
      const name = pairs[at]?.[0] ?? text;
      if (what === 'lose') pairs = pairs.filter((_, i) => i !== at);
      else if (what === 'unknown') pairs.push([text, text]);
      else if (what === 'twice') pairs.push([name, text]);
      else pairs[at] = [name, what === 'empty' ? '' : text];
    }
    return pairs;
  });
}
