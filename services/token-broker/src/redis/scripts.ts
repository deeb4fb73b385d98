import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** The name of a script by its text and by its digest. */
const names = new Map<unknown, string>();

/** The name of a script, for spans: its file's. `text` is what `EVAL` or `EVALSHA` is given. */
export function scriptName(text: unknown): string | undefined {
  return names.get(text);
}

/**
 * An atomic step of the store, in Lua. Its file says what it is given and what it returns; the files before it hold
 * functions that scripts share. A script touches one key, and takes the time from Redis: the clocks of pods differ.
 */
function script(...files: string[]) {
  const lua = files.map((file) => readFileSync(new URL(file, import.meta.url), 'utf8')).join('');
  const sha = hash('sha1', lua);
  for (const text of [lua, sha]) names.set(text, basename(files.at(-1) ?? '', '.lua'));
  return { lua, sha };
}

export type Script = ReturnType<typeof script>;

export const openSession = script('./lua/partition.lua', './lua/open-session.lua');
export const touchSession = script('./lua/partition.lua', './lua/touch-session.lua');
export const closeSessions = script('./lua/partition.lua', './lua/close-sessions.lua');
export const openSessions = script('./lua/partition.lua', './lua/open-sessions.lua');
export const writeToken = script('./lua/partition.lua', './lua/trim.lua', './lua/write-token.lua');
export const reseal = script('./lua/reseal.lua');
export const replace = script('./lua/replace.lua');
export const addMember = script('./lua/add-member.lua');
export const forceMember = script('./lua/force-member.lua');
export const takeLease = script('./lua/take-lease.lua');
export const renewLease = script('./lua/renew-lease.lua');
export const releaseLease = script('./lua/release-lease.lua');
