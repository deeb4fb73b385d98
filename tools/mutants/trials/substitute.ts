import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

/** Loaded before everything else in a process of a trial: one room has another text there. */
const { MUTANT_ROOM, MUTANT_SOURCE } = process.env;

if (MUTANT_ROOM && MUTANT_SOURCE) {
  const room = pathToFileURL(MUTANT_ROOM).href;
  registerHooks({
    load: (url, context, next) =>
      url === room
        ? { format: 'module-typescript', source: readFileSync(MUTANT_SOURCE, 'utf8'), shortCircuit: true }
        : next(url, context),
  });
}
