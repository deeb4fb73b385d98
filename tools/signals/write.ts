import { readFileSync, writeFileSync } from 'node:fs';
import { tableFile, withTables } from './table.ts';

writeFileSync(tableFile, withTables(readFileSync(tableFile, 'utf8')));
