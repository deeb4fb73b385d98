import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** A file that is longer asks whether it is two rooms; the answer stands below. */
export const longLines = 200;
const shownLongest = 15;

/** Why a file of more than `longLines` lines is one room. */
export const reasons: Record<string, string> = {
  'services/token-broker/src/config.ts':
    'Every setting of the broker: each is checked together with all others, so that one start names all that is wrong.',
  'services/token-broker/src/redis/clients.ts':
    'How each kind of Redis is opened: one server, a cluster, a master behind sentinels, with the options they share.',
  'services/entra-emulator/src/endpoints/authorize.ts':
    'One walk of a person through Entra ID’s authorize endpoint: its steps share one transaction.',
  'services/entra-emulator/src/endpoints/grants.ts':
    'The grants of the token endpoint: each is short, and all of a person end in one answer.',
  'services/token-broker/src/grants/broker.ts':
    'What the endpoints may ask of the broker, grant by grant: each is short and all share one set of parts.',
  'services/token-broker/src/http/endpoints.ts':
    'The parameters of every endpoint, and what each makes of them: one is read with the other.',
  'services/token-broker/src/entra/entra-errors.ts':
    'What every refusal of Entra’s means: one table, and the order in which it is asked.',
  'services/web-frontend/src/sign-in/sign-in.ts':
    'A sign-in from its beginning to its landing: the callback ends what the beginning promised.',
  'services/token-broker/src/entra/msal.ts':
    'The one file that knows MSAL: every acquisition ends in the same table of answers.',
  'services/token-broker/src/redis/redis.ts':
    'The one file that knows the Redis client: connection, deadline, breaker and channel judge one another.',
  'services/trace-viewer/src/page/page.css': 'The viewer’s one style sheet: the page loads it whole.',
  'services/trace-viewer/src/page/page.js':
    'The viewer’s one page: what it shows and what is pressed there hang on one state.',
  'services/web-frontend/src/sign-in/oidc.ts':
    'The one file that knows openid-client: discovery, authorize address and redemption share its configuration.',
};

export type Size = { path: string; room: string; lines: number };

/** Every source file that is no test and no part of one, with its lines, comments and blank ones included. */
export function sourceSizes(): Size[] {
  return globSync('services/*/src/**/*.{ts,js,css,html}')
    .filter((path) => !/\.(test|fake|contract|bench)\.ts$/.test(path))
    .map((path) => ({ path, room: path.split('/')[1] ?? '', lines: linesOf(path) }))
    .sort((a, b) => b.lines - a.lines);
}

function linesOf(path: string): number {
  return readFileSync(path, 'utf8').split('\n').length - 1;
}

function print(): void {
  const sizes = sourceSizes();
  const row = (lines: number, words: string) => console.log(`${String(lines).padStart(7)}  ${words}`);
  console.log('  lines  room (files, the middle one)');
  for (const [room, files = []] of Object.entries(Object.groupBy(sizes, (size) => size.room)).sort()) {
    const middle = files[Math.floor(files.length / 2)]?.lines;
    row(sum(files), `${room} (${files.length} files, ${middle} lines)`);
  }
  row(sum(sizes), 'in all, without tests');
  row(
    sum(globSync('{services,test,tools}/**/*.ts', { exclude: skip }).filter(isOfTests).map(sized)),
    'tests and their tools',
  );
  console.log('\n  lines  longest files');
  for (const { path, lines } of sizes.slice(0, shownLongest))
    row(lines, [path, reasons[path]].filter(Boolean).join(': '));
}

const skip = (path: string) => basename(path) === 'node_modules';
const isOfTests = (path: string) => /^(test|tools)\//.test(path) || /\.(test|fake|contract|bench)\.ts$/.test(path);
const sized = (path: string) => ({ lines: linesOf(path) });
const sum = (sizes: { lines: number }[]) => sizes.reduce((total, { lines }) => total + lines, 0);

if (import.meta.main) print();
