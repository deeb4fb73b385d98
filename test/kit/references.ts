import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { System } from './system/system.ts';
import type { Visitor } from './visitor.ts';

export type Line = Record<string, unknown> & { event?: string; level?: string; service?: string };

/** The reference on the page now shown, or in the response for a script. */
export function referenceOn({ page }: Pick<Visitor, 'page'>): string {
  const found = /id="reference">([0-9a-f]{32})</.exec(page.body) ?? /"trace_id":"([0-9a-f]{32})"/.exec(page.body);
  if (!found?.[1]) throw new Error(`no reference on ${page.url.pathname}: ${page.body.slice(0, 200)}`);
  return found[1];
}

/** Every line of the services' logs that this reference finds, by trace id or as a GUID. */
export function linesOf({ logDir }: System, reference: string): Line[] {
  const services = readdirSync(logDir).filter((file) => /^(web-frontend|token-broker|downstream-api)/.test(file));
  const lines = services.flatMap((file) => readFileSync(join(logDir, file), 'utf8').split('\n'));
  return lines.filter((line) => line.includes(reference)).map((line) => JSON.parse(line));
}
