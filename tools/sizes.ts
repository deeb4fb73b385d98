import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { functionSizes } from './functions.ts';
import { programFiles, serviceFiles, testFiles } from './sources.ts';

/** A file that is longer asks whether it is two rooms; the answer stands below. */
export const longLines = 200;
/** A longer function is one that nobody can step through; there are few exceptions, which stand below. */
export const longFunctionLines = 60;
/** A folder with more source files is a floor with no rooms. */
export const fullFolderFiles = 15;
const shownLongest = 15;
/** Services that no production image holds: they are counted apart. */
const development = ['entra-emulator', 'trace-viewer', 'load-generator'];

/** Why a file of more than `longLines` lines is one room. */
export const reasons: Record<string, string> = {
  'packages/node/src/broker/client.ts':
    'One method for each request of the broker: what it is asked, and what that means.',
  'packages/node/src/web/session/logins.ts':
    'All about the cookies of sign-in attempts: what is in one, and which of them have room.',
  'packages/node/src/web/sign-in/callback.ts':
    'One way back from Entra ID: each outcome of it leads to another page, and ends the same attempt.',
  'services/token-broker/src/config.ts':
    'Every setting of the broker: each is checked together with all others, so that one start names all that is wrong.',
  'services/token-broker/src/redis/clients.ts':
    'How each kind of Redis is opened: one server, a cluster, a master behind sentinels, with the options they share.',
  'services/token-broker/src/entra/entra-errors.ts':
    'The meaning of every refusal of Entra: one table, and the order of its rules.',
  'services/load-generator/src/report/report.css': 'The report’s one style sheet: the page holds it whole.',
  'services/trace-viewer/src/page/page.css': 'The viewer’s one style sheet: the page loads it whole.',
};

/** Why a function may be longer than `longFunctionLines`, by file and name. */
export const functionReasons: Record<string, string> = {};

/** Files with functions that have yet to be split, and how many. An entry may only get smaller, and goes at zero. */
export const functionDebt: Record<string, number> = {};

/** Why a folder holds more than `fullFolderFiles` source files. */
export const folderReasons: Record<string, string> = {};

export type Size = { path: string; room: string; lines: number };

/** Every source file that is no test and no part of one, with its lines, comments and blank ones included. */
export function sourceSizes(): Size[] {
  return serviceFiles()
    .map((path) => ({ path, room: path.split('/')[1] ?? '', lines: linesOf(path) }))
    .sort((a, b) => b.lines - a.lines);
}

/** How many source files lie in each folder itself, tests not counted; the fullest first. */
export function folderSizes(): { folder: string; files: number }[] {
  const folders = Object.entries(Object.groupBy(programFiles(), (path) => dirname(path)));
  return folders.map(([folder, files = []]) => ({ folder, files: files.length })).sort((a, b) => b.files - a.files);
}

function linesOf(path: string): number {
  return readFileSync(path, 'utf8').split('\n').length - 1;
}

function print(): void {
  const sizes = sourceSizes();
  const row = (count: number, words: string) => console.log(`${String(count).padStart(7)}  ${words}`);
  console.log('  lines  service (files, the middle one)');
  for (const [room, files = []] of Object.entries(Object.groupBy(sizes, (size) => size.room)).sort()) {
    const middle = files[Math.floor(files.length / 2)]?.lines;
    row(sum(files.map(({ lines }) => lines)), `${room} (${files.length} files, ${middle} lines)`);
  }
  const linesWhere = (suits: (size: Size) => boolean) => sum(sizes.filter(suits).map(({ lines }) => lines));
  row(
    linesWhere(({ room }) => !development.includes(room)),
    'in production, without tests',
  );
  row(
    linesWhere(({ room }) => development.includes(room)),
    `of development: ${development.join(', ')}`,
  );
  row(sum(testFiles().map(linesOf)), 'tests and their tools');
  console.log('\n  lines  longest files');
  for (const { path, lines } of sizes.slice(0, shownLongest))
    row(lines, [path, reasons[path]].filter(Boolean).join(': '));
  const functions = functionSizes();
  const over = (limit: number) => functions.filter(({ lines }) => lines > limit).length;
  console.log(
    `\n  lines  longest functions (${over(longFunctionLines)} over ${longFunctionLines}, ${over(40)} over 40)`,
  );
  for (const { path, line, name, lines } of functions.slice(0, shownLongest)) row(lines, `${path}:${line} ${name}`);
  console.log('\n  files  fullest folders');
  for (const { folder, files } of folderSizes().slice(0, shownLongest)) row(files, folder);
}

const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);

if (import.meta.main) print();
