import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import builtInSeed from '../../services/entra-emulator/src/directory/seed.json' with { type: 'json' };
import type { Visitor } from '../kit/visitor.ts';

/** What identifies a person: none of it belongs into a log or a Redis dump. */
export const personal = builtInSeed.users.flatMap(({ oid, upn, name }) => [oid, upn, name]);

/** The head of a JWT or JWE with its dot; a random id may begin like one, and ends without. */
export const tokenHead = /eyJ[\w-]{8,}\./;

const parameters = ['code', 'state', 'nonce', 'code_challenge', 'claims', 'login_hint', 'logout_hint', 'sid'];

/** All that browsers sent and received and nobody else should keep. */
export function secretsOf(visitors: readonly Visitor[]): string[] {
  const found = new Set<string>();
  for (const { url, headers } of visitors.flatMap(({ answers }) => answers)) {
    for (const cookie of headers['set-cookie'] ?? []) found.add(cookie.split(/[=;]/)[1] ?? '');
    for (const address of [url, new URL(headers.location ?? '/', url)]) {
      for (const name of parameters) for (const value of address.searchParams.getAll(name)) found.add(value);
    }
  }
  return [...found].filter((value) => value.length >= 8);
}

/** The ways a value may stand in a text. */
export const spellings = (value: string) => [
  value,
  encodeURIComponent(value),
  Buffer.from(value).toString('base64url').slice(0, -2),
  Buffer.from(value).toString('hex'),
];

/** Every file below a folder. */
export function filesUnder(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
