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
