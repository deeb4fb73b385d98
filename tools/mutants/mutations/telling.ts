import type { Node } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import type { TextOf } from './mutators.ts';

/** Log lines, measurements, spans. */
const telling = [
  ...[/^logger\.\w+$/, /^\w*[sS]pan\??\.\w+$/, /^(measure|watch|noteReload|audit|countEnded|describeError|done)$/],
  ...[/^(describeRequest|nameRoute|noteFailure|linkRequest|logFault)$/],
];

/** Of whom an argument is words: of an error that is made, or of a schema. */
const wordsAt: [callee: RegExp, argument: number][] = [
  [/^Fault$/, 1],
  [/(Error|Invalid)$/, 0],
  [/^fail$|\.(regex|refine)$/, 1],
  [/^refuse$/, 0],
];

/** Whether a node is there to tell people something, or to keep a cache of a size: no promise rests on it. */
export function tells(node: Node, textOf: TextOf): boolean {
  if (is.isExpressionStatement(node)) return tells(node.expression, textOf);
  if (is.isIfStatement(node)) return node.elseStatement === undefined && tells(node.thenStatement, textOf);
  if (is.isNewExpression(node)) return textOf(node.expression).startsWith('LRUCache');
  return is.isCallExpression(node) && telling.some((callee) => callee.test(textOf(node.expression)));
}

/** The child of a node that is words for people. */
export function wordsOf(node: Node, textOf: TextOf): Node | undefined {
  if (is.isPropertyAssignment(node)) return textOf(node.name) === 'message' ? node.initializer : undefined;
  if (!is.isNewExpression(node) && !is.isCallExpression(node)) return undefined;
  const [, argument] = wordsAt.find(([callee]) => callee.test(textOf(node.expression))) ?? [];
  return argument === undefined ? undefined : node.arguments?.[argument];
}

/** Whether a literal, with its quotes, is a sentence: nothing but a person reads it. */
export function isSentence(literal: string): boolean {
  return /^[`'"][A-Z].* .*[.!:][`'"]$/s.test(literal);
}
