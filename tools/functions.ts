import type { Node, SourceFile } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { openProgram } from './mutants/mutations/program.ts';
import { programFiles } from './sources.ts';

export type FunctionSize = { path: string; name: string; line: number; lines: number };

/** Every function, method and arrow function that is no test's own, with its lines from its head to its last brace. */
export function functionSizes(): FunctionSize[] {
  using program = openProgram();
  return programFiles()
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => functionsIn(path, program.source(path)))
    .sort((a, b) => b.lines - a.lines);
}

function functionsIn(path: string, source: SourceFile): FunctionSize[] {
  const lineOf = lineFinder(source.text);
  const found: FunctionSize[] = [];
  const walk = (node: Node, owner: string): void => {
    const name = nameOf(node) ?? owner;
    if (is.isFunctionLikeDeclaration(node)) {
      const line = lineOf(node.getStart(source));
      found.push({ path, name, line, lines: lineOf(node.end) - line + 1 });
    }
    node.forEachChild((child) => walk(child, name));
  };
  walk(source, '');
  return found;
}

/** A function without a name goes by what it is assigned to, or by the function around it. */
function nameOf(node: Node): string | undefined {
  const { name } = node as { name?: Node & { text?: string } };
  return is.isConstructorDeclaration(node) ? 'constructor' : name?.text;
}

/** Finds the line, counted from 1, of a place in a text. */
function lineFinder(text: string): (place: number) => number {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return (place) => {
    const after = starts.findIndex((start) => start > place);
    return after < 0 ? starts.length : after;
  };
}
