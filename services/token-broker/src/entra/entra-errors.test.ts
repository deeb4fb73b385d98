import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeError } from '@onbehalf/chassis/telemetry/logger';
import fc from 'fast-check';
import {
  backOffSeconds,
  type EntraClass,
  type EntraGrant,
  findPause,
  mayBeTransient,
  noResponse,
  type Pause,
  parseRefusal,
  toEntraFault,
} from './entra-errors.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');
const grants: EntraGrant[] = ['authorization_code', 'refresh_token', 'on_behalf_of', 'client_credentials'];
const judge = (body: unknown, grant: EntraGrant = 'refresh_token', status = 400, headers = {}) =>
  parseRefusal({ status, headers, body, requestId: undefined }, grant, nowMs);
const invalidGrant = (error_codes: unknown, more: object = {}) => ({ error: 'invalid_grant', error_codes, ...more });

/** reliability-and-security: the numbers that decide where `error` and `suberror` mislead. */
const numbers: Record<string, [EntraClass, number[]]> = {
  T: ['throttled', [50196, 90055]],
  U: ['transient', [50033, 70012, 90006, 90012, 90024, 90033, 90090]],
  I: [
    'interaction',
    [
      ...[50055, 50072, 50074, 50076, 50078, 50079, 50097, 50105, 50129, 50131, 50158],
      ...[53000, 53001, 53002, 53003, 53004, 530032, 700020],
    ],
  ],
  C: ['consent', [65001, 65004, 650051, 650052, 650056, 7000229, 90008, 90094, 90095]],
  L: ['sign_in', [50089, 70008, 70043, 700082]],
  R: ['revoked', [50034, 50057, 50133, 50173]],
  A: ['assertion', [50013, 500131, 500133, 7000114]],
  P: ['code', [54005, 501481]],
  S: ['scope', [28000, 28003, 70011, 650053, 650054, 650057]],
  Z: ['configuration', [65002, 65005, 700016, 700025, 700038, 7000112]],
  K: [
    'credential',
    [
      ...[50012, 700024, 700026, 700027, 700030, 7000215, 7000216, 7000218, 7000222],
      ...[70021, 700211, 700212, 700213, 700222, 700236, 7002138, 50166, 501661, 90061],
    ],
  ],
};

describe('a response of Entra', () => {
  for (const [letter, [name, codes]] of Object.entries(numbers)) {
    it(`is of class ${letter}, ${name}, for each of its numbers, wherever among the codes`, () => {
      for (const code of codes) {
        for (const list of [[code], [1, code], [String(code)]]) {
          for (const error of ['invalid_grant', 'interaction_required', 'invalid_request']) {
            const refusal = judge({ error, error_codes: list });
            assert.deepEqual([refusal?.class, refusal?.known], [name, true], `${code}`);
          }
        }
      }
    });
  }

  const words: [object, EntraClass][] = [
    [{ error: 'interaction_required' }, 'interaction'],
    [invalidGrant([], { suberror: 'basic_action' }), 'interaction'],
    [invalidGrant([], { suberror: 'additional_action' }), 'interaction'],
    [invalidGrant([], { suberror: 'message_only' }), 'interaction'],
    [invalidGrant([], { suberror: 'user_password_expired' }), 'interaction'],
    [invalidGrant([], { claims: '{"access_token":{}}' }), 'interaction'],
    [invalidGrant([], { claims: '{"access_token":{}}', suberror: 'bad_token' }), 'interaction'],
    [invalidGrant([], { suberror: 'consent_required' }), 'consent'],
    [invalidGrant([], { suberror: 'bad_token' }), 'sign_in'],
    [invalidGrant([], { suberror: 'token_expired' }), 'sign_in'],
    [{ error: 'login_required' }, 'sign_in'],
    [{ error: 'temporarily_unavailable' }, 'transient'],
    [{ error: 'server_error' }, 'transient'],
    [{ error: 'invalid_client', error_codes: [7000215] }, 'credential'],
    [{ error: 'invalid_client', error_codes: [50013] }, 'credential'],
    [{ error: 'invalid_scope' }, 'consent'],
    [{ error: 'invalid_scope', error_codes: [70011] }, 'scope'],
    [{ error: 'invalid_resource' }, 'scope'],
    [invalidGrant([50173], { suberror: 'bad_token' }), 'revoked'],
    [invalidGrant([50173, 65001]), 'revoked'],
  ];
  for (const [body, name] of words) {
    it(`is ${name} for ${JSON.stringify(body)}`, () => assert.equal(judge(body)?.class, name));
  }

  it('asks for consent to scopes that a refresh does not widen to; other grants have none to ask', () => {
    const expected: EntraClass[] = ['scope', 'consent', 'scope', 'scope'];
    for (const [i, grant] of grants.entries()) {
      assert.equal(judge({ error: 'invalid_scope' }, grant)?.class, expected[i], grant);
    }
  });

  it('says of the code, not of a refresh token, that it expired, on the code grant', () => {
    assert.equal(judge(invalidGrant([70008]), 'authorization_code')?.class, 'code');
    assert.equal(judge(invalidGrant([70008]), 'refresh_token')?.class, 'sign_in');
  });

  it('of invalid_client is of the credential where a number, or no number, says so, else of its number', () => {
    for (const code of [50027, 50048, 70002, 700021, 700023, 7000215, 70021, undefined]) {
      const refusal = judge({ error: 'invalid_client', error_codes: code === undefined ? undefined : [code] });
      assert.deepEqual([refusal?.class, refusal?.known], ['credential', true], `${code}`);
    }
    for (const [name, codes] of Object.values(numbers)) {
      if (name === 'assertion' || name === 'code') continue;
      for (const code of codes) assert.equal(judge({ error: 'invalid_client', error_codes: [code] })?.class, name);
    }
    assert.equal(judge({ error: 'invalid_client', error_codes: [50013] }, 'on_behalf_of')?.class, 'assertion');
    assert.equal(judge({ error: 'invalid_client', error_codes: [70002, 65001] })?.class, 'consent');
    assert.equal(judge({ error: 'invalid_client', suberror: 'consent_required', error_codes: [1] })?.class, 'consent');
  });

  it('of invalid_client with a number that nobody knows, or of another grant, is doubtful', () => {
    for (const code of [650099, 7000999, 50013, 54005]) {
      const refusal = judge({ error: 'invalid_client', error_codes: [code] });
      assert.deepEqual([refusal?.class, refusal?.known], ['credential', false], `${code}`);
    }
  });

  it('that nobody knows has a safe default by grant, and is marked', () => {
    const expected: EntraClass[] = ['code', 'sign_in', 'assertion', 'configuration'];
    for (const [i, grant] of grants.entries()) {
      const refusal = judge(invalidGrant([99999]), grant);
      assert.deepEqual([refusal?.class, refusal?.known], [expected[i], false]);
      assert.deepEqual(judge({ error: 'unauthorized_client' }, grant)?.class, 'configuration');
    }
  });

  const token = { access_token: 't', token_type: 'Bearer', expires_in: 3_600 };
  const bodies: [string, unknown][] = [
    ['{}', {}],
    ['HTML, text, nothing, cut JSON, 1 MB', undefined],
    ['a list', []],
    ['null', null],
    ['text', 'x'],
    ['an error that is no text', { error: 1 }],
    ['an empty error', { error: '' }],
    ['an empty token', { ...token, access_token: '' }],
    ['a token that is no text', { ...token, access_token: 1 }],
    ['a token without end', { access_token: 't' }],
    ['a token that has ended', { ...token, expires_in: 0 }],
  ];
  for (const status of [200, 201, 204, 302, 400, 401, 404, 429, 500, 503]) {
    for (const [what, body] of bodies) {
      it(`with status ${status} and ${what} is ${status === 429 ? 'throttled' : 'transient'}`, () => {
        for (const grant of grants)
          assert.equal(judge(body, grant, status)?.class, status === 429 ? 'throttled' : 'transient');
      });
    }
  }

  it('is a token only with status 2xx, a token and its life', () => {
    assert.equal(judge(token, 'refresh_token', 200), undefined);
    assert.equal(judge({ ...token, expires_in: '3600', refresh_in: 'soon' }, 'refresh_token', 200), undefined);
    assert.equal(judge(token, 'refresh_token', 500)?.class, 'transient');
    for (const status of [199, 300]) assert.ok(judge(token, 'refresh_token', status), `${status}`);
    assert.equal(judge(token, 'refresh_token', 299), undefined);
  });

  it('of a word that nobody knows is not silence, however short it is', () => {
    assert.equal(judge({ error: 'x' })?.class, 'configuration');
    assert.equal(judge({ error: '' })?.class, 'transient');
  });

  it('may pass by itself where it speaks of federation, and of nothing else', () => {
    const passes = (...codes: number[]) => {
      const refusal = judge({ error: 'invalid_client', error_codes: codes });
      return refusal && mayBeTransient(refusal);
    };
    for (const one of [70021, 700212, 7002123, 50166, 501661, 90061]) assert.ok(passes(one), `${one}`);
    assert.ok(passes(7000215, 70021));
    for (const other of [7000215, 170021, 70021234, 700215555, 150166, 900611]) assert.ok(!passes(other), `${other}`);
    assert.equal(passes(), false);
  });

  it('keeps a correlation id of 64 characters, and none that is longer', () => {
    const kept = (length: number) => judge(invalidGrant([], { correlation_id: 'c'.repeat(length) }))?.members;
    assert.equal(kept(64)?.correlation_id?.length, 64);
    assert.equal(kept(65)?.correlation_id, undefined);
  });

  it('is of the credential by a number of two meanings only where the client is refused', () => {
    for (const code of [50027, 50048, 70002, 700021, 700023]) {
      const refusal = judge({ error: 'invalid_client', error_codes: [1, code] });
      assert.deepEqual([refusal?.class, refusal?.known], ['credential', true], `${code}`);
      assert.notEqual(judge({ error: 'invalid_grant', error_codes: [code] })?.class, 'credential', `${code}`);
    }
  });

  it('with an error wins over its status, but for 429 and 5xx', () => {
    const body = { error: 'invalid_client' };
    const classes = [200, 400, 401, 403, 429, 500, 503].map((status) => judge(body, 'refresh_token', status)?.class);
    assert.deepEqual(classes, [...Array(4).fill('credential'), 'throttled', 'transient', 'transient']);
  });

  it('keeps what the caller needs and drops what is odd', () => {
    const members = judge({
      ...invalidGrant([50076, 'x']),
      claims: 1,
      suberror: {},
      correlation_id: 'c',
      error_description: 'd',
    })?.members;
    assert.deepEqual(members, { correlation_id: 'c' });
    const good = judge(invalidGrant([50076], { claims: '{}', suberror: 'basic_action', correlation_id: 'c' }))?.members;
    assert.deepEqual(good, { claims: '{}', suberror: 'basic_action', correlation_id: 'c', error_codes: [50076] });
  });

  it('is judged whatever it says, always as one of the classes', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('constructor', '__proto__', 'toString', 'invalid_grant'));
    const response = fc.record(
      { error: word, suberror: fc.oneof(word, fc.anything()), error_codes: fc.anything(), claims: fc.anything() },
      { requiredKeys: ['error'] },
    );
    fc.assert(
      fc.property(response, fc.constantFrom(...grants), (body, grant) => {
        const refusal = judge(body, grant);
        assert.ok(refusal);
        assert.ok(toEntraFault(refusal).status >= 400);
      }),
    );
  });

  it('tells how long to wait, in seconds or by date, within reason', () => {
    const rows: [string | undefined, number | undefined][] = [
      [undefined, undefined],
      ['30', 30],
      ['0', 1],
      ['999999', 3_600],
      ['-5', 1],
      [' 30 ', 30],
      ['soon', undefined],
      ['', undefined],
      ['Thu, 01 Jan 2026 00:00:45 GMT', 45],
      ['Thu, 01 Jan 2015 00:00:00 GMT', 1],
      ['2026-01-01T00:00:45Z', 45],
    ];
    for (const [header, seconds] of rows) {
      const headers = header === undefined ? {} : { 'retry-after': header };
      assert.equal(judge({}, 'refresh_token', 429, headers)?.retryAfterSeconds, seconds, header);
    }
    const asctime = { 'retry-after': 'Thu Jan  1 00:00:45 2026' };
    assert.ok(judge({}, 'refresh_token', 429, asctime)?.retryAfterSeconds, 'an old form of a date');
  });

  it('asks for a pause of its kind, which grows with its responses in a row', () => {
    const throttled = judge({}, 'refresh_token', 429);
    const loop = judge(invalidGrant([1, 50196]));
    const transient = judge({}, 'refresh_token', 503);
    const rows: [typeof loop, Pause, number[]][] = [
      [throttled, 'throttled', [60, 60, 60, 60, 60, 60]],
      [loop, 'loop', [60, 120, 240, 300, 300, 300]],
      [transient, 'transient', [5, 10, 20, 40, 60, 60]],
      [noResponse(), 'transient', [5, 10, 20, 40, 60, 60]],
    ];
    for (const [refusal, pause, seconds] of rows) {
      assert.ok(refusal);
      assert.equal(findPause(refusal), pause);
      assert.equal(refusal.known, true);
      const backOffs = seconds.map((_, i) => backOffSeconds(refusal, i + 1));
      assert.deepEqual(backOffs, seconds, pause);
      assert.equal(backOffSeconds({ ...refusal, retryAfterSeconds: 7 }, 3), 7);
    }
    for (const other of [judge(invalidGrant([65001])), judge({ error: 'invalid_client' })])
      assert.equal(other && findPause(other), undefined);
  });
});

describe('the Fault of a refusal', () => {
  it('has a time to come back whenever its status is 429 or 503', () => {
    for (const refusal of [noResponse(), judge({}, 'refresh_token', 429), judge(invalidGrant([50196]))]) {
      assert.ok(refusal);
      const fault = toEntraFault(refusal);
      assert.ok([429, 503].includes(fault.status));
      assert.equal(fault.retryAfterSeconds, backOffSeconds(refusal, 1));
      assert.ok(fault.toHeaders()['Retry-After']);
    }
  });

  it('says nothing of the inside when it is our fault', () => {
    const refusal = judge({ error: 'invalid_client', error_codes: [7000215], correlation_id: 'c', suberror: 's' });
    assert.ok(refusal);
    const { error_description, ...body } = toEntraFault(refusal).toBody('t');
    assert.deepEqual(body, { error: 'server_error', correlation_id: 'c', trace_id: 't' });
  });

  it('names the scopes that lack consent, and no others', () => {
    const [consent, interaction] = [judge(invalidGrant([65001])), judge(invalidGrant([50076]))];
    assert.ok(consent && interaction);
    assert.equal(toEntraFault(consent, 'api://x/y').toBody().scope, 'api://x/y');
    assert.equal(toEntraFault(interaction, 'api://x/y').toBody().scope, undefined);
  });

  it('that is ours to mend is told to the log by class and number, and to nobody else', () => {
    const refusal = judge({ error: 'unauthorized_client', error_codes: [700016] });
    assert.ok(refusal);
    const fault = toEntraFault(refusal);
    assert.match(JSON.stringify(describeError(fault.cause)), /class configuration, AADSTS 700016"/);
    assert.doesNotMatch(JSON.stringify(fault.toBody('t')), /700016|configuration/);
  });

  it('hands on what Entra asks of the person', () => {
    const refusal = judge(invalidGrant([50076], { claims: '{"a":1}', suberror: 'basic_action' }));
    assert.ok(refusal);
    const { claims, suberror, error_codes } = toEntraFault(refusal).toBody();
    assert.deepEqual([claims, suberror, error_codes], ['{"a":1}', 'basic_action', [50076]]);
  });

  it('says when to come back as it is told to, where there is something to wait for', () => {
    const [transient, interaction] = [noResponse(), judge(invalidGrant([50076]))];
    assert.ok(interaction);
    assert.equal(toEntraFault(transient, undefined, 17).retryAfterSeconds, 17);
    assert.equal(toEntraFault(interaction, undefined, 17).retryAfterSeconds, undefined);
  });
});
