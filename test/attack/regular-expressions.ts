import { readFileSync } from 'node:fs';
import { sourceSizes } from '../../tools/sizes.ts';

export type Expression = { file: string; source: string; regex: RegExp };

/** A literal begins where a value may: after a bracket, an operator, a comma, `return`, or on a line of its own. */
const literal =
  /(?<=(?:^|[(,=:[!&|?{};]|return|=>)\s*)\/((?![*/])(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([dgimsuvy]*)(?=\s*(?:[),;.\]}:?&|]|$))/gm;
const comments = /^\s*(?:\/\/|\/?\*).*$/gm;

/** The services that run in production. */
const inProduction = /^(packages\/node|services\/(chassis|web-frontend|token-broker|downstream-api))\//;

/** Every regular expression that is written in the sources of the production services. */
export function regularExpressions(): Expression[] {
  return sourceSizes()
    .filter(({ path }) => inProduction.test(path))
    .flatMap(({ path: file }) => {
      const text = readFileSync(file, 'utf8').replaceAll(comments, '');
      return [...text.matchAll(literal)].map(([, source = '', flags]) => ({
        ...{ file, source },
        regex: new RegExp(source, flags),
      }));
    });
}

/** What each of them is pumped with: single marks, and what the expression itself is made of. */
export function pumpsFor(source: string): string[] {
  const own = source
    .replaceAll(/\\[a-z]|[\^$()[\]{}*+?|\\]/gi, ' ')
    .split(' ')
    .filter(Boolean);
  return [
    ...new Set([
      ...'aA0-._~ \t\n,="\\/;:@%&<>{}[]',
      'eyJ',
      '\\"',
      'a=',
      'a,',
      '" ',
      ', ',
      '//',
      '/.',
      '%2',
      '=" ',
      ...own,
    ]),
  ];
}
