import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { mutateStatement } from './statements.ts';
import { isSentence, tells, wordsOf } from './telling.ts';

/** One change to a source: `text` in the place of what stands from `start` to `end`. */
export type Mutation = { start: number; end: number; text: string };

/** What may stand in the place of a node. */
export type Put = (node: Node, ...texts: string[]) => void;
export type TextOf = (node: Node) => string;

const swaps: Record<string, string[]> = {
  ...{ '===': ['!=='], '!==': ['==='], '<': ['<=', '>='], '<=': ['<', '>'], '>': ['>=', '<='], '>=': ['>', '<'] },
  ...{ '+': ['-'], '-': ['+'], '*': ['/'], '/': ['*'], '+=': ['-='], '-=': ['+='] },
};
const swappedMethods = new Map([
  ...[...Object.entries({ max: 'min', some: 'every', startsWith: 'endsWith' })],
  ...[...Object.entries({ min: 'max', every: 'some', endsWith: 'startsWith' })],
]);
const droppedMethods = new Set(['trim', 'toLowerCase', 'toUpperCase', 'sort', 'toSorted', 'reverse']);

/** Every mutation of a source, in the order of its text, but of what only tells people something. */
export function mutationsOf(source: SourceFile): Mutation[] {
  const found: Mutation[] = [];
  const textOf: TextOf = (node) => source.text.slice(node.getStart(source), node.end);
  const put: Put = (node, ...texts) => {
    for (const text of texts) found.push({ start: node.getStart(source), end: node.end, text });
  };

  function visit(node: Node): undefined {
    if (is.isTypeNode(node) || declaresNothing(node) || tells(node, textOf)) return;
    mutateStatement(node, put, textOf);
    mutateExpression(node, put, textOf);
    const words = wordsOf(node, textOf);
    node.forEachChild((child) => (child === words ? undefined : visit(child)));
  }
  source.forEachChild(visit);
  return found;
}

const declaresNothing = (node: Node) =>
  is.isImportDeclaration(node) || is.isTypeAliasDeclaration(node) || is.isInterfaceDeclaration(node);

function mutateExpression(node: Node, put: Put, textOf: TextOf): void {
  if (is.isConditionalExpression(node)) put(node.condition, 'true', 'false');
  else if (is.isBinaryExpression(node)) {
    const [a, operator, b] = [textOf(node.left), textOf(node.operatorToken), textOf(node.right)];
    if (operator === '??') put(node, a, b);
    else if (operator === '&&') put(node, a, b, `(${a} || ${b})`);
    else if (operator === '||') put(node, a, b, `(${a} && ${b})`);
    else put(node.operatorToken, ...(swaps[operator] ?? []));
  } else if (is.isPrefixUnaryExpression(node) && node.operator === SyntaxKind.ExclamationToken) {
    put(node, textOf(node.operand));
  } else if (is.isCallExpression(node) && is.isPropertyAccessExpression(node.expression)) {
    const { name, expression } = node.expression;
    const other = swappedMethods.get(textOf(name));
    // A schema's bounds have the same names; their values are mutated.
    if (other && (!/^m(ax|in)$/.test(textOf(name)) || textOf(expression) === 'Math')) put(name, other);
    if (droppedMethods.has(textOf(name)) && node.arguments.length === 0) put(node, textOf(expression));
  } else if (is.isPropertyAccessExpression(node) && node.questionDotToken) put(node.questionDotToken, '.');
  else mutateLiteral(node, put, textOf);
}

function mutateLiteral(node: Node, put: Put, textOf: TextOf): void {
  const text = textOf(node);
  if (node.kind === SyntaxKind.TrueKeyword) put(node, 'false');
  else if (node.kind === SyntaxKind.FalseKeyword) put(node, 'true');
  else if (is.isNumericLiteral(node)) {
    put(node, ...otherNumbers(Number(text.replaceAll('_', ''))));
  } else if (is.isStringLiteral(node) || is.isTemplateLiteral(node)) {
    if (text.length > 2 && !isSentence(text) && !isName(node)) put(node, "''");
  } else if (is.isRegularExpressionLiteral(node)) put(node, ...unanchored(text));
  else if (is.isArrayLiteralExpression(node) && node.elements.length > 0) put(node, '[]');
}

/** A text that is a key, or is compared with something: turning the comparison round is worse. */
function isName(node: Node): boolean {
  const { parent } = node;
  if (is.isPropertyAssignment(parent)) return parent.name === node;
  return is.isCaseClause(parent) || (is.isBinaryExpression(parent) && equalities.has(parent.operatorToken.kind));
}
const equalities = new Set<SyntaxKind>([SyntaxKind.EqualsEqualsEqualsToken, SyntaxKind.ExclamationEqualsEqualsToken]);

/** A count or an index is moved by one; a duration or a size that is nearly right is right. */
function otherNumbers(number: number): string[] {
  if (number > 10) return [String(number * 2), String(number / 2)];
  return number > 0 ? [String(number + 1), String(number - 1)] : ['1'];
}

/** An expression without one of its anchors. */
function unanchored(expression: string): string[] {
  const start = expression.startsWith('/^') ? [expression.replace('/^', '/')] : [];
  const end = /\$\/[a-z]*$/.test(expression) ? [expression.replace(/\$(\/[a-z]*)$/, '$1')] : [];
  return [...start, ...end];
}
