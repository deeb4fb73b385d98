import { writeFileSync } from 'node:fs';
import { configurationFile, configurationPage } from './configuration.ts';
import { errorsFile, errorsPage } from './errors.ts';

writeFileSync(configurationFile, configurationPage());
writeFileSync(errorsFile, errorsPage());
