import type { Node } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import type { Put, TextOf } from './mutators.ts';

/** Forces conditions, and takes away what a statement does. */
export function mutateStatement(node: Node, put: Put, textOf: TextOf): void {
  if (is.isIfStatement(node)) put(node.expression, 'true', 'false');
  // Loops are only kept from running: an endless one costs its whole timeout and tells no more.
  else if (is.isWhileStatement(node)) put(node.expression, 'false');
  else if (is.isForStatement(node) && node.condition) put(node.condition, 'false');
  else if (isAllOfBranch(node)) return;
  else if (is.isExpressionStatement(node)) {
    if (is.isAwaitExpression(node.expression)) put(node, `void ${textOf(node.expression.expression)};`);
    put(node, ';');
  } else if (is.isThrowStatement(node) || (is.isReturnStatement(node) && !node.expression)) put(node, ';');
  else if (is.isBreakStatement(node) || is.isContinueStatement(node)) put(node, ';');
  else if (is.isBlock(node) && node.statements.length > 0 && isBody(node)) put(node, '{}');
}

/** Whether taking the statement away is what the condition `false` does. */
function isAllOfBranch(node: Node): boolean {
  const { parent } = node;
  if (is.isIfStatement(parent)) return parent.thenStatement === node && parent.elseStatement === undefined;
  return is.isBlock(parent) && parent.statements.length === 1 && isAllOfBranch(parent);
}

/** Of a function, or of what an error leads to; elsewhere each statement is taken away by itself. */
const isBody = ({ parent }: Node) =>
  is.isCatchClause(parent) || is.isTryStatement(parent) || is.isFunctionLikeDeclaration(parent);
