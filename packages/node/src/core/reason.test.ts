import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findReason, timeoutError } from './reason.ts';

class NoKeys extends Error {}
class Timeout extends Error {}
class TimeoutHandler extends Error {}
const coded = (code: unknown, message = '', more: ErrorOptions = {}) =>
  Object.assign(new Error(message, more), { code });
/** An error within so many others. */
const within = (levels: number, error: Error): Error =>
  levels === 0 ? error : new TypeError('x', { cause: within(levels - 1, error) });

const rows: [what: string, error: unknown, reason: string][] = [
  ['what is no error', 'ECONNREFUSED', 'unknown'],
  ['the code of the system', coded('ECONNREFUSED', 'connect 10.0.0.1'), 'ECONNREFUSED'],
  ['a code before the first word', coded('HTTP_403', 'ERR no'), 'HTTP_403'],
  ["the server's first word", new Error('WRONGPASS invalid username-password pair'), 'WRONGPASS'],
  ["the server's only word", new Error('LOADING'), 'LOADING'],
  ['no word of a sentence', new Error('Connection closed'), 'Error'],
  ['no letter of a sentence', new Error('A connection was closed'), 'Error'],
  ['no word within a sentence', new Error('it said WRONGPASS here'), 'Error'],
  ['no word with something behind it', new Error('SECRET-1 was wrong'), 'Error'],
  ['no code that is no word', coded('person@contoso.test'), 'Error'],
  ['no code in small letters', coded('refused'), 'Error'],
  ['no code that begins otherwise', coded('1REFUSED'), 'Error'],
  ['no code that ends otherwise', coded('REFUSED by 10.0.0.1'), 'Error'],
  ['no code of one letter', coded('E'), 'Error'],
  ['no code that is a number', coded(403), 'Error'],
  ['no code longer than 61 characters', coded('E'.repeat(62)), 'Error'],
  ['the code of the cause', new TypeError('fetch failed', { cause: coded('ENOTFOUND') }), 'ENOTFOUND'],
  ['its own code before that of the cause', coded('EOUTER', '', { cause: coded('EINNER') }), 'EOUTER'],
  ['the first of several', new AggregateError([coded('ETIMEDOUT'), coded('ENETUNREACH')]), 'ETIMEDOUT'],
  ['the kind where there is no inner one', new AggregateError([]), 'AggregateError'],
  ['the kind where the cause is no error', new TypeError('x', { cause: 'ECONNREFUSED' }), 'TypeError'],
  ['the kind of error that has no name of its own', new NoKeys(), 'NoKeys'],
  ['timeout of a deadline', timeoutError('late'), 'timeout'],
  ['timeout by the kind of the error alone', new Timeout('no response in time'), 'timeout'],
  ['timeout of the cause', new TypeError('fetch failed', { cause: timeoutError('late') }), 'timeout'],
  ['the kind that has the word elsewhere', new TimeoutHandler(), 'TimeoutHandler'],
  ["a system's own word for a timeout", coded('UND_ERR_CONNECT_TIMEOUT'), 'UND_ERR_CONNECT_TIMEOUT'],
  ['why a request was aborted', coded('ABORT_ERR', '', { cause: timeoutError('late') }), 'timeout'],
  ['that it was aborted where nothing says why', coded('ABORT_ERR'), 'ABORT_ERR'],
  ['a code five errors deep', within(5, coded('EDEEP')), 'EDEEP'],
  ['no code that is deeper', within(6, coded('EDEEP')), 'TypeError'],
];

describe('the reason of an error is', () => {
  for (const [what, error, reason] of rows) it(what, () => assert.equal(findReason(error), reason));
});
