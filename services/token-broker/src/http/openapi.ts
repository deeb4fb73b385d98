import { stdout } from 'node:process';
import { openapi } from './metadata.ts';

// Writes the committed `openapi.json`; a test tells when it is out of date.
stdout.write(`${JSON.stringify(openapi('https://token-broker.example'), null, 2)}\n`);
