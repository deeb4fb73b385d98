import { existsSync, globSync } from 'node:fs';
import { openTable, tableOfClients } from '../../test/clients/told.ts';
import { forgetTable, readTable } from '../../test/cluster/kit/told.ts';
import { openEngine } from '../../test/images/engine.ts';
import { forgetFigures, readFigures } from '../../test/images/told.ts';
import { findChromium } from '../../test/kit/browser/chromium.ts';
import { findNginx } from '../../test/kit/nginx.ts';

export type Suite = {
  name: string;
  files: string[];
  /** The script that runs it alone. */
  script: string;
  /** What one test may take. */
  testWithinMs: number;
  /** How many files run at once, where it is more than one. */
  atOnce?: number;
  /** What its tests and their programs are told. */
  env?: Record<string, string>;
  /** What its files share. */
  open?: () => Promise<AsyncDisposable | undefined>;
  /** What its files found out together, told at its end. */
  tells?: () => string;
  /** What is missing to run it here; `undefined` if nothing is. */
  lacks: () => string | undefined;
  /** Why it runs only when asked for by name; what it lacks then, its own tests say. */
  apart?: string;
};

const minuteMs = 60_000;
const none = () => undefined;
/** Programs that share two cores with bursts and browsers are late through no fault of Redis. */
const patient = { REDIS_COMMAND_TIMEOUT_MS: '1000' };
const lacksChromium = () =>
  findChromium()
    ? undefined
    : "no Chromium was found: install Debian's chromium-headless-shell or chromium, or set CHROMIUM";
/** What test/kit/browser/fonts.conf has the pages drawn with, for pictures that are alike on every machine. */
const lacksFont = () =>
  existsSync('/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf')
    ? undefined
    : "there is no DejaVu Sans: install Debian's fonts-dejavu-core";
const lacksNginx = () => (findNginx() ? undefined : "no nginx was found: install Debian's nginx, or set NGINX to one");
/** One engine for all files: the second finds what the first has built. Where there is none, its tests say so. */
async function shareEngine(): Promise<AsyncDisposable | undefined> {
  forgetFigures();
  const engine = await openEngine().catch(() => undefined);
  if (engine) process.env.DOCKER_HOST = engine.host;
  return engine;
}
const all = globSync('{services,packages,test,tools,docker}/**/*.test.ts', {
  exclude: (path) => path.includes('node_modules'),
}).sort();

/** A suite of its own has its name before `.test.ts`. */
const named: Omit<Suite, 'files'>[] = [
  {
    name: 'charts',
    script: 'test:charts',
    // Every value of the charts is changed by itself.
    testWithinMs: 15 * minuteMs,
    atOnce: 2,
    lacks: () =>
      `${process.platform}-${process.arch}` === 'linux-x64' ? undefined : 'its Helm is for Linux on x86-64',
  },
  {
    name: 'browser',
    script: 'test:browser',
    testWithinMs: 2 * minuteMs,
    atOnce: 2,
    lacks: () => lacksChromium() ?? lacksNginx(),
    env: patient,
  },
  {
    name: 'modes',
    script: 'test:modes',
    testWithinMs: 3 * minuteMs,
    atOnce: 2,
    lacks: () => lacksChromium() ?? lacksFont() ?? lacksNginx(),
    env: patient,
    apart:
      'every page for every reader, an nginx between, and the journeys for each way to set web-frontend up, take minutes',
  },
  {
    name: 'figures',
    script: 'figures',
    testWithinMs: 3 * minuteMs,
    atOnce: 2,
    lacks: none,
    env: patient,
    apart: 'three brokers under load take minutes',
  },
  {
    name: 'images',
    script: 'test:images',
    testWithinMs: 15 * minuteMs,
    open: shareEngine,
    tells: readFigures,
    lacks: none,
    apart: 'it builds container images, which takes minutes',
  },
  {
    name: 'cluster',
    script: 'test:cluster',
    // One test builds the cluster and its images, where they are not there yet.
    testWithinMs: 40 * minuteMs,
    open: forgetTable,
    tells: readTable,
    lacks: none,
    apart: 'it needs a Kubernetes of its own: what KUBECONFIG names, kind, or the scripts of CLUSTER_UP',
  },
  {
    name: 'outage',
    script: 'test:outage',
    testWithinMs: 2 * minuteMs,
    atOnce: 2,
    lacks: none,
    apart: 'its outages and floods take minutes',
  },
  {
    name: 'clients',
    script: 'test:clients',
    testWithinMs: 2 * minuteMs,
    atOnce: 2,
    env: patient,
    open: openTable,
    tells: tableOfClients,
    lacks: none,
    apart: 'it needs Python, Go, Java and Chromium, and fetches the libraries of each',
  },
  {
    name: 'packages',
    script: 'test:packages',
    testWithinMs: 3 * minuteMs,
    lacks: none,
    apart: 'it installs from the npm registry, as an app of yours does',
  },
  {
    name: 'load',
    script: 'test:load',
    testWithinMs: 2 * minuteMs,
    lacks: none,
    apart: 'whole runs of npm run load take a minute',
  },
];

const suiteOf = (file: string) => named.find(({ name }) => file.endsWith(`.${name}.test.ts`))?.name;
const plain = all.filter((file) => suiteOf(file) === undefined);
const isOfRoom = (file: string) => /^(services|packages)\//.test(file);
const everyTime = { script: 'test', testWithinMs: 2 * minuteMs, lacks: none };

/** Every test file, each in one suite; in the order they are run. */
export const suites: Suite[] = [
  { name: 'unit', files: plain.filter((file) => isOfRoom(file)), ...everyTime, atOnce: 3 },
  {
    name: 'journeys',
    files: plain.filter((file) => !isOfRoom(file)),
    ...everyTime,
    atOnce: 3,
    env: patient,
  },
  ...named.map((suite) => ({ ...suite, files: all.filter((file) => suiteOf(file) === suite.name) })),
];
