import { readFileSync, writeFileSync } from 'node:fs';
import { tableFile, withTables } from './signals-table.ts';

writeFileSync(tableFile, withTables(readFileSync(tableFile, 'utf8')));
