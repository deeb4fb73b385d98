import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { before, describe, it } from 'node:test';
import { z } from 'zod';
import { type LanguageName, openLanguage } from './languages.ts';
import { record } from './told.ts';

const seenSchema = z.record(z.string(), z.unknown());
const toldSchema = z.object({ version: z.string(), flows: z.record(z.string(), seenSchema) });

/** What a flow gave: the answer in the client's own words, or `raised`. */
export type Seen = z.output<typeof seenSchema>;
export type Told = z.output<typeof toldSchema>;

/** A person's device waits five seconds or so between two questions. */
const programWithinMs = 90_000;

type Client = {
  /** As people call it. */
  client: string;
  /** Whom it asks. */
  at: string;
  run(): Promise<Told>;
  /** What all of it may take, where that is more than a test of the suite may. */
  withinMs?: number;
};

/** Runs a program of another language in this environment. @throws Error if it does not end as it should. */
export async function runProgram(language: LanguageName, program: string, env: Record<string, string>): Promise<Told> {
  const { command, args, env: own } = openLanguage(language)(program);
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...own, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: programWithinMs,
  });
  const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (status !== 0)
    throw new Error(`${program} ended with ${status}: ${stderr.trim().split('\n').slice(-3).join(' ')}`);
  return toldSchema.parse(JSON.parse(stdout));
}

export type Checks = Record<string, (seen: Seen) => void>;

/** A test for each flow of an unmodified client, which runs once; each is a row of the suite's table. `refusals` must fail. */
export function clientTests({ client, at, run, withinMs }: Client, flows: Checks, refusals: Checks = {}): void {
  describe(`${client} at ${at}`, withinMs === undefined ? {} : { timeout: withinMs }, () => {
    let told: Promise<Told>;
    before(async () => {
      told = run();
      await told.catch(() => {});
    });
    for (const [flow, check] of Object.entries({ ...flows, ...refusals })) {
      it(flow, async () => {
        const tell = (version: string, result: string) => record({ client, version, at, flow, result });
        const { version, flows: seen } = await told.catch((error: Error) => {
          tell('–', `not run: ${error.message}`);
          throw error;
        });
        try {
          check(flow in refusals ? (seen[flow] ?? {}) : requireSeen(seen[flow]));
        } catch (error) {
          tell(version, 'failed');
          throw error;
        }
        tell(version, 'passed');
      });
    }
  });
}

function requireSeen(seen: Seen | undefined): Seen {
  if (!seen) throw new Error('the program knows no such flow');
  if (seen.raised !== undefined) throw new Error(String(seen.raised));
  return seen;
}
