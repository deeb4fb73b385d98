import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Fault, toFault } from './fault.ts';

it('gives the body, the status and the headers of an OAuth error', () => {
  const members = { claims: '{}', error_codes: [50076], suberror: undefined };
  const fault = new Fault('throttled', 'Later.', { ...members, retryAfterSeconds: 0.4, challenge: 'Bearer' });
  assert.equal(fault.status, 429);
  assert.deepEqual(fault.toBody('1'), {
    error: 'temporarily_unavailable',
    error_description: 'Later.',
    claims: '{}',
    error_codes: [50076],
    trace_id: '1',
  });
  assert.deepEqual(fault.toHeaders(), {
    'Cache-Control': 'no-store',
    'Retry-After': '1',
    'WWW-Authenticate': 'Bearer',
  });
});

it('says nothing of the inside when we are broken', () => {
  const fault = new Fault('server_error', 'Entra refuses our certificate.', { cause: new Error('canary') });
  assert.doesNotMatch(JSON.stringify(fault.toBody()), /certificate|canary/);
});

it('keeps a Fault and makes anything else server_error', () => {
  const fault = new Fault('not_found', 'Nothing.');
  assert.equal(toFault(fault), fault);
  const vendor = Object.assign(new Error('canary'), { status: 400 });
  for (const thrown of [new Error('canary'), vendor, 'canary', undefined]) {
    assert.equal(toFault(thrown).code, 'server_error');
    assert.equal(toFault(thrown).cause, thrown);
  }
});
