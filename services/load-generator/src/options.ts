import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Load, Scenario } from './judging/scenario.ts';
import { caps, Unsafe } from './target/safety.ts';

const number = (least: number, most: number) =>
  z.coerce.number(`must be a number`).min(least, `must be at least ${least}`).max(most, `must be at most ${most}`);
const whole = (least: number, most: number) => number(least, most).int('must be a whole number');

const schema = z.object({
  rate: number(1, caps.ratePerSecond).optional(),
  duration: number(1, caps.durationSeconds).optional(),
  users: whole(1, 200_000).optional(),
  replicas: whole(1, 16).optional(),
  repeat: whole(1, 20).default(1),
  seed: whole(0, 2 ** 31).default(1),
  quick: z.boolean().default(false),
  json: z.string().min(1).optional(),
  html: z.string().min(1).optional(),
  baseline: z.string().min(1).optional(),
  bench: z.string().min(1).optional(),
  merge: z.boolean().default(false),
  url: z.string().optional(),
  endpoint: z.string().min(1).optional(),
  entra: z.string().optional(),
  'assertion-file': z.string().optional(),
  'client-id': z.guid().default('3eb00000-7e57-4000-8000-000000000011'),
  'redirect-uri': z.url().default('http://localhost:3000/auth/callback'),
  scope: z.string().default('api://onbehalf-api/access_as_user'),
  'start-at': z.iso.datetime('must be a time such as 2026-11-30T15:00:00Z').transform(Date.parse).optional(),
  'allow-host': z.array(z.string().regex(/^[a-z0-9.:-]+$/, 'must be a host name')).default([]),
  help: z.boolean().default(false),
});

export type Options = z.output<typeof schema> & { names: string[] };

/** Reads the command line. @throws Unsafe naming every option that is wrong. */
export function readOptions(args: readonly string[]): Options {
  const text = { type: 'string' } as const;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...{ rate: text, duration: text, users: text, replicas: text, repeat: text, seed: text },
        ...{ json: text, html: text, baseline: text, bench: text, url: text, entra: text, 'assertion-file': text },
        ...{ 'client-id': text, endpoint: text, 'redirect-uri': text, scope: text, 'start-at': text },
        ...{ 'allow-host': { ...text, multiple: true }, merge: { type: 'boolean' }, quick: { type: 'boolean' } },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const parsed = schema.safeParse(values);
    if (!parsed.success)
      throw new Unsafe(parsed.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`).join('\n'));
    return { ...parsed.data, names: positionals };
  } catch (error) {
    if (error instanceof TypeError) throw new Unsafe(error.message);
    throw error;
  }
}

/** The scenarios that are named, or all but those that want to be. @throws Unsafe for a name that is none. */
export function choose(all: readonly Scenario[], { names, quick }: Options): readonly Scenario[] {
  if (names.length === 0) return all.filter((one) => !one.onlyByName && !(quick && one.notQuick));
  return names.map((name) => {
    const found = all.find((one) => one.name === name);
    if (!found) throw new Unsafe(`There is no scenario ${name}: ${all.map((one) => one.name).join(', ')}.`);
    return found;
  });
}

/** What a scenario's load is here, and in words what of it is less than it should be. */
export function loadOf(
  scenario: Scenario,
  options: Options,
  cores: number,
): { load: Load; scaled: string | undefined } {
  const { rate, duration, users, replicas, quick } = options;
  const load: Load = {
    ...scenario.load,
    ...(cores < coresForAll && scenario.smaller),
    ...(quick && scenario.quick),
    ...(rate !== undefined && { ratePerSecond: rate }),
    ...(duration !== undefined && { durationSeconds: duration }),
    ...(users !== undefined && { users }),
    ...(replicas !== undefined && { brokers: replicas }),
  };
  const less = (['ratePerSecond', 'users', 'durationSeconds', 'brokers'] as const).filter(
    (name) => load[name] < scenario.load[name],
  );
  const said = less.map((name) => `${labels[name]} ${load[name]} of ${scenario.load[name].toLocaleString('en')}`);
  return { load, scaled: said.length > 0 ? said.join(', ') : undefined };
}

/** With fewer cores the generator, the emulator, Redis and three brokers get into each other's way. */
export const coresForAll = 8;
const labels = { ratePerSecond: 'rate', users: 'users', durationSeconds: 'seconds', brokers: 'brokers' };

export function helpText(all: readonly Scenario[]): string {
  const rows = all.map(({ name, brief, load, onlyByName }) => {
    const figures = `${load.ratePerSecond}/s, ${load.users} users, ${load.durationSeconds} s`;
    return `  ${name.padEnd(12)} ${figures.padEnd(30)} ${brief}${onlyByName ? ' (only by name)' : ''}`;
  });
  return `npm run load -- [scenario …] [options]

Loads token acquisition and judges it by pass lines. It starts what it needs, each part a process of its own: brokers,
a real Redis, the Entra ID emulator, generators. Exit code 0: every pass line holds; 1: one does not; 2: the run is
invalid or was refused, and its figures are none. Results go to out/load/<time>-<commit>/.

Scenarios; all but those marked run where none is named:
${rows.join('\n')}

Options, in place of a scenario's own figures:
  --rate N            requests per second, at most ${caps.ratePerSecond}
  --duration N        seconds, at most ${caps.durationSeconds}
  --users N           people who are signed in first
  --replicas N        brokers
  --repeat N          runs each scenario so often
  --seed N            of everything random, default 1
  --quick             small loads, under three minutes in all: for CI

With fewer than ${coresForAll} cores some scenarios offer less than their figures by default; the result says what ("scaled").

Output:
  --json FILE         the result there too
  --html FILE         the report there too
  --baseline FILE     a result to compare with in the report
  --bench FILE        the figures of npm run bench -- --json FILE, for the report
  --merge FILE …      adds results of several pods, such as the last output line of each, into one

A broker that runs already (scenarios l1, cold and resource; its tokens must come from the emulator, which is to sign
in without asking: INTERACTION=auto). The caller's client has the grants authorization_code and token-exchange:
  --url ORIGIN        the broker, e.g. http://token-broker:8080
  --entra ORIGIN      the emulator's pages, e.g. http://entra-emulator:9440
  --assertion-file F  the caller's projected ServiceAccount token
  --client-id ID      the client's app registration, default the emulator's web
  --redirect-uri URL  one of that client's redirect URIs, default http://localhost:3000/auth/callback
  --scope SCOPE       what is asked for, default api://onbehalf-api/access_as_user
  --endpoint FILE     for the scenario endpoint: anybody's token endpoint, how it is asked and by whom (docs/load-testing.md)
  --allow-host NAME   leave to load a host that is neither this machine nor a name in the cluster
  Of several pods each sends its share if JOB_COMPLETION_INDEX and JOB_COMPLETIONS are set, as an Indexed Job does.
  They begin together with the next full half minute, or where that is too short, when it is said:
  --start-at TIME     when the first request is due, e.g. 2026-11-30T15:00:00Z
  The last line of output is the result.
`;
}
