import assert from 'node:assert/strict';
import { Fault, type FaultCode } from './fault.ts';

/** Says for `assert.rejects` and `assert.throws` that it is a Fault of this code, and what else holds of it. */
export const faultOf =
  (code: FaultCode, holds: (fault: Fault) => void = () => {}) =>
  (error: unknown): true => {
    assert.ok(error instanceof Fault, `${error}`);
    assert.equal(error.code, code);
    holds(error);
    return true;
  };

/** The Fault that ends this. */
export async function rejection(promise: Promise<unknown>): Promise<Fault> {
  const error = await promise.then(
    () => assert.fail('was granted'),
    (reason) => reason,
  );
  assert.ok(error instanceof Fault, String(error));
  return error;
}
