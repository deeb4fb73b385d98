import { runCommand } from './command.ts';

// Alone it loads a broker that runs already: nothing here starts one.
process.exitCode = await runCommand(process.argv.slice(2), process.env);
