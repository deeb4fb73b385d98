import type { Mutation } from './mutators.ts';

/** What stands for what in a script: a pattern, and what each match may become. */
const rules: [pattern: RegExp, ...texts: string[]][] = [
  [/==/g, '~='],
  [/~=/g, '=='],
  [/<=/g, '<', '>'],
  [/>=/g, '>', '<'],
  [/(?<![<>=~])<(?!=)/g, '<=', '>='],
  [/(?<![<>=~])>(?!=)/g, '>=', '<='],
  [/\band\b/g, 'or'],
  [/\bor\b/g, 'and'],
  [/\bnot /g, ''],
  [/(?<=\b(?:else)?if ).+?(?= then\b)/g, 'true', 'false'],
  [/(?<=math\.)max\b/g, 'min'],
  [/(?<=math\.)min\b/g, 'max'],
  [/(?<= )\+(?= )/g, '-'],
  [/(?<= )-(?= )/g, '+'],
  [/(?<=\breturn )0(?=\s|$)/g, '1'],
  [/(?<=\breturn )1(?=\s|$)/g, '0'],
  // A command that stands for itself, not for its answer.
  [/^[ \t]*redis\.call\(.*\)$/gm, ''],
  [/(?<=\bthen )redis\.call\(.*?\)(?= end| *$)/gm, ''],
  [/, 'NX'/g, ''],
];

export const isLua = (room: string) => room.endsWith('.lua');

/** The mutations of a script's text, by its words, comments left out: only Redis reads Lua. */
export function luaMutations(text: string): Mutation[] {
  const code = text.replaceAll(/--.*/g, (comment) => ' '.repeat(comment.length));
  return rules
    .flatMap(([pattern, ...texts]) =>
      [...code.matchAll(pattern)].flatMap((match) =>
        texts.map((one) => ({ start: match.index, end: match.index + match[0].length, text: one })),
      ),
    )
    .sort((a, b) => a.start - b.start);
}
