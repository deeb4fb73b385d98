import { runCommand } from '../../services/load-generator/src/command.ts';
import { openStage } from './stage.ts';

// npm run load: the load generator, with everything it loads started on this machine.
process.exitCode = await runCommand(process.argv.slice(2), process.env, openStage);
