import fs from 'node:fs';
import { registerHooks, syncBuiltinESMExports } from 'node:module';
import { pathToFileURL } from 'node:url';
import { isLua } from '../mutations/lua.ts';

/** Loaded before everything else in a process of a trial: one room has another text there. */
const { MUTANT_ROOM, MUTANT_SOURCE } = process.env;

if (MUTANT_ROOM && MUTANT_SOURCE) {
  const room = pathToFileURL(MUTANT_ROOM).href;
  if (isLua(MUTANT_ROOM)) {
    const read = fs.readFileSync;
    const readAnother = (...[path, ...options]: Parameters<typeof read>) =>
      read(path instanceof URL && path.href === room ? MUTANT_SOURCE : path, ...options);
    fs.readFileSync = readAnother as typeof read;
    syncBuiltinESMExports();
  } else {
    registerHooks({
      load: (url, context, next) =>
        url === room
          ? { format: 'module-typescript', source: fs.readFileSync(MUTANT_SOURCE, 'utf8'), shortCircuit: true }
          : next(url, context),
    });
  }
}
