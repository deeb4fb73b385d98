import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import { freePort } from './ports.ts';

const many = 60;
/** Tells its ports, and lives until its standard input ends. */
const program = `
  const { freePort } = await import('./test/kit/ports.ts');
  console.log((await Promise.all(Array.from({ length: ${many} }, freePort))).join(' '));
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
`;

it('gives a port once, whoever of several processes asks', async () => {
  const others = Array.from({ length: 3 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  try {
    const told = await Promise.all(others.map(async ({ stdout }) => String((await once(stdout, 'data'))[0])));
    const ours = await Promise.all(Array.from({ length: many }, freePort));
    const given = [...ours, ...told.flatMap((line) => line.trim().split(' ').map(Number))];
    assert.equal(given.length, 4 * many);
    assert.equal(new Set(given).size, given.length);
    assert.ok(given.every((port) => port > 10_000 && port < 32_000));
  } finally {
    for (const other of others) other.stdin.end();
  }
});
