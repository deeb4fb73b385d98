import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// biome-ignore lint/style/noProcessEnv: a folder of this run of the tests, as the runner of all says.
const { TEST_RUN_DIR: folder } = process.env;
let left: string[] | undefined;

/**
 * An RSA key of 2,048 bits that this process has not had yet. To make one takes a tenth of a second, which is longer than
 * most tests: the first process of a run makes a dozen, and every other one has those first.
 */
export function makeRsaKey(): { privateKey: KeyObject; publicKey: KeyObject } {
  left ??= folder ? keysOfRun(join(folder, 'rsa-keys.json')) : [];
  const pem = left.pop() ?? generate();
  return { privateKey: createPrivateKey(pem), publicKey: createPublicKey(pem) };
}

function keysOfRun(file: string): string[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    const keys = Array.from({ length: 12 }, generate);
    // Renamed: another process may read it at any time.
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(keys), { mode: 0o600 });
    renameSync(`${file}.${process.pid}`, file);
    return keys;
  }
}

function generate(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  return String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
}
