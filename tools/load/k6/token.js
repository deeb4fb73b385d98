// Token exchanges at a steady rate, for teams that load with k6. It is a source of load, not the judge of latencies:
// k6 counts from the real send, so a broker that stalls also stalls its clock. `npm run load` counts from the intended.
//
//   k6 run -e BROKER_URL=… -e ENTRA_URL=… -e ASSERTION_FILE=… tools/load/k6/token.js      or by k6-operator: testrun.yaml
//
// RATE a second, DURATION_SECONDS and USERS as below. The emulator needs INTERACTION=auto and PEOPLE >= USERS.
import { check, fail } from 'k6';
import crypto from 'k6/crypto';
import encoding from 'k6/encoding';
import exec from 'k6/execution';
import http from 'k6/http';

const rate = whole('RATE', 200, 10_000);
// The assertion lives for ten minutes, and k6 reads a file only before it starts.
const durationSeconds = whole('DURATION_SECONDS', 60, 480);
const users = whole('USERS', 100, 2_000);
const broker = inClusterOrigin('BROKER_URL');
const entra = inClusterOrigin('ENTRA_URL');
const assertion = open(__ENV.ASSERTION_FILE).trim();

const scope = __ENV.SCOPE || 'api://onbehalf-api/access_as_user';
const clientId = __ENV.CLIENT_ID || '3eb00000-7e57-4000-8000-000000000011';
const redirectUri = __ENV.REDIRECT_URI || 'http://localhost:3000/auth/callback';

export const options = {
  scenarios: {
    exchange: {
      executor: 'constant-arrival-rate',
      exec: 'exchange',
      ...{ rate, timeUnit: '1s', duration: `${durationSeconds}s` },
      ...{ preAllocatedVUs: Math.max(20, Math.ceil(rate / 20)), maxVUs: Math.max(100, rate) },
    },
  },
  setupTimeout: '2m',
  thresholds: {
    // A request that k6 could not send in time would be missing from every figure.
    dropped_iterations: ['count==0'],
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
  },
  summaryTrendStats: ['p(50)', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
};

/** Signs people in. The first one's token shows whether the broker stands before the emulator; if not, that was all. */
export function setup() {
  const metadata = http.get(`${entra}/contoso.test/v2.0/.well-known/openid-configuration`, { redirects: 0 });
  const issuer = metadata.json('issuer');
  const first = signIn(1);
  if (originOf(claimsOf(ask(first).json('access_token')).iss) !== originOf(issuer)) {
    fail('The broker buys tokens elsewhere than at the emulator: it is not to be loaded.');
  }
  return { sessions: [first, ...Array.from({ length: users - 1 }, (_, n) => signIn(n + 2))] };
}

/** One exchange of a session for an access token. */
export function exchange({ sessions }) {
  const answer = ask(sessions[exec.scenario.iterationInTest % sessions.length]);
  check(answer, { 'is a token': ({ status, body }) => status === 200 && body.includes('"access_token"') });
}

function ask(session) {
  return token({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: session,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    scope,
  });
}

function signIn(number) {
  const loginHint = `load${String(number).padStart(5, '0')}@contoso.test`;
  const [verifier, nonce] = [random(), random()];
  const query = {
    ...{ client_id: clientId, response_type: 'code', redirect_uri: redirectUri, login_hint: loginHint, nonce },
    ...{ scope: `openid profile offline_access ${scope}`, state: random() },
    ...{ code_challenge: crypto.sha256(verifier, 'base64rawurl'), code_challenge_method: 'S256' },
  };
  const search = Object.entries(query)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
  // One name for all: k6 labels its figures by URL, and a URL with a person in it belongs nowhere.
  const authorize = { redirects: 0, tags: { name: 'authorize' } };
  const { headers } = http.get(`${entra}/contoso.test/oauth2/v2.0/authorize?${search}`, authorize);
  const [, code] = /[?&]code=([^&]*)/.exec(headers.Location || '') || [];
  if (!code) fail('The emulator gave no code: is INTERACTION=auto, and PEOPLE at least USERS?');
  const form = { code: decodeURIComponent(code), redirect_uri: redirectUri, code_verifier: verifier, nonce };
  return token({ grant_type: 'authorization_code', ...form }).json('access_token');
}

function token(form) {
  const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  const body = { ...form, client_assertion_type, client_assertion: assertion };
  return http.post(`${broker}/oauth2/token`, body, { redirects: 0, timeout: '15s', tags: { name: 'token' } });
}

function random() {
  return encoding.b64encode(crypto.randomBytes(32), 'rawurl');
}

function claimsOf(jwt) {
  return JSON.parse(encoding.b64decode(jwt.split('.')[1], 'rawurl', 's'));
}

function originOf(url) {
  return /^https?:\/\/[^/]+/.exec(url)[0];
}

function whole(name, usual, most) {
  const value = Number(__ENV[name] || usual);
  if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`${name} must be 1 to ${most}`);
  return value;
}

/** This machine, a name without dots, or one of the cluster's: nothing else is loaded. */
function inClusterOrigin(name) {
  const url = __ENV[name] || '';
  const host = /^https?:\/\/([a-z0-9.-]+)(:[0-9]+)?$/.exec(url)?.[1] || '';
  const known = /^([a-z0-9-]+|127\.0\.0\.1|[a-z0-9-]+\.[a-z0-9-]+\.svc(\.cluster\.local)?)$/.test(host);
  if (!known) throw new Error(`${name} must be the origin of this machine or of a Service in the cluster`);
  return url;
}
