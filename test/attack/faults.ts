import assert from 'node:assert/strict';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { Fault, type FaultCode } from '@onbehalf/node/core/fault';
import fc from 'fast-check';

/** Per property: enough to meet the odd ones, little enough for every `npm test`. What fails once fails again. */
export const runs = { numRuns: 500, seed: Number(process.env.FUZZ_SEED ?? 1) };

/** Text as an attacker writes it: any bytes, and the marks that parsers stumble over. */
export const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom(...'%&=;,."\'\\/ \t\r\n\0:@?#[]{}<>+~-_aZ09é\u2028\ufeff'), maxLength: 300 }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    'null',
    'undefined',
    '[object Object]',
    'true',
    '0',
    '-0',
    '1e999',
  ),
);

/** Any JSON, names with a meaning in JavaScript among them. */
export const hostileJson = fc.oneof(fc.jsonValue(), fc.dictionary(hostile, fc.jsonValue()), hostile);

/** What a parser gives, or undefined where it refuses by one of these codes; anything else it throws is a failure. */
export function unlessRefused<T>(work: () => T, ...codes: FaultCode[]): T | undefined {
  try {
    return work();
  } catch (error) {
    return expected(error, codes);
  }
}

/** The same of a promise. */
export async function unlessRefusedLater<T>(work: () => Promise<T>, ...codes: FaultCode[]): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    return expected(error, codes);
  }
}

function expected(error: unknown, codes: FaultCode[]): undefined {
  if (error instanceof ConfigError && codes.length === 0) return;
  assert.ok(error instanceof Fault, `not a Fault: ${error}`);
  assert.ok(codes.includes(error.code), `the Fault ${error.code}`);
}
