import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import {
  accessTokenType,
  appScope,
  type FakeBroker,
  type Fields,
  gatewaySecret,
  graphScope,
  openBroker,
  readScope,
  redirectUri,
  verifier,
} from '../../services/token-broker/src/grants/broker.fake.ts';
import { openapi } from '../../services/token-broker/src/http/metadata.ts';
import { formsOf, type Schema, spoilt } from './openapi-forms.ts';

type Described = { content?: Record<string, unknown>; headers?: Record<string, { schema: object }> };
type Path = keyof ReturnType<typeof openapi>['paths'];

const description = JSON.parse(JSON.stringify(openapi('https://token-broker.example')));
const paths = Object.keys(description.paths) as Path[];
const ajv = new Ajv2020({ strict: false, validateFormats: false, coerceTypes: true });
ajv.addSchema({ $id: 'interface', ...description });
const pointer = (...parts: string[]) => parts.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');
const requestSchema = (path: Path): Schema =>
  description.paths[path].post.requestBody.content['application/x-www-form-urlencoded'].schema;
const isRequest = Object.fromEntries(paths.map((path) => [path, ajv.compile(requestSchema(path))]));
const isJsonObject = (text: string) => {
  try {
    return /^\s*\{/.test(text) && JSON.parse(text) !== null;
  } catch {
    return false;
  }
};

/** How long it looks for what nobody thought of; `FUZZ_SECONDS` for longer. */
const seconds = Number(process.env.FUZZ_SECONDS ?? 8);

describe('the OpenAPI description', () => {
  it("passes Redocly's recommended rules without error or warning", async () => {
    const directory = await mkdtemp(join(tmpdir(), 'openapi-'));
    const file = join(directory, 'openapi.json');
    await writeFile(file, JSON.stringify(description));
    const redocly = join(import.meta.dirname, '../../node_modules/@redocly/cli/bin/cli.js');
    const quiet = { PATH: process.env.PATH, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
    const lint = (path: string) =>
      new Promise<{ problems: { ruleId: string }[] }>((resolve, reject) => {
        const args = [redocly, 'lint', '--extends', 'recommended', '--format', 'json', path];
        execFile(process.execPath, args, { env: quiet, cwd: directory }, (error, out) =>
          out.trim() ? resolve(JSON.parse(out)) : reject(error),
        );
      });
    assert.deepEqual((await lint(file)).problems, []);
    const worse = { ...description, info: { ...description.info, license: undefined } };
    await writeFile(file, JSON.stringify(worse));
    assert.ok((await lint(file)).problems.length > 0, 'the linter looks');
    await rm(directory, { recursive: true });
  });

  it('names each operation, who may call it, and each status with its schema and headers', () => {
    for (const path of paths) {
      const { operationId, security, responses } = description.paths[path].post;
      assert.match(operationId, /^[a-z][A-Za-z]+$/);
      assert.deepEqual(security, [{}, { clientSecretBasic: [] }]);
      assert.deepEqual(Object.keys(responses), ['200', '400', '401', '408', '413', '415', '429', '431', '500', '503']);
    }
    const { Failed401, Failed429, Failed503 } = description.components.responses;
    assert.ok(Failed401.headers['WWW-Authenticate'].required);
    for (const response of [Failed429, Failed503]) assert.ok(response.headers['Retry-After'].required);
  });

  const caller = {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: 'a',
  };
  const exchange = {
    ...{ ...caller, grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: 's' },
    ...{ subject_token_type: accessTokenType, scope: readScope },
  };
  const rows: [what: string, path: Path, form: Fields, good: boolean][] = [
    ['an exchange', '/oauth2/token', exchange, true],
    ['an exchange for a resource', '/oauth2/token', { ...exchange, scope: undefined, resource: 'api://api' }, true],
    ['an exchange for nothing', '/oauth2/token', { ...exchange, scope: undefined }, false],
    ['an exchange with claims', '/oauth2/token', { ...exchange, claims: '{"a":1}' }, true],
    ['claims that are no JSON object', '/oauth2/token', { ...exchange, claims: '[]' }, false],
    ['an actor token type', '/oauth2/token', { ...exchange, actor_token_type: accessTokenType }, false],
    ['an empty token', '/oauth2/introspect', { ...caller, token: '' }, false],
    ['two proofs', '/oauth2/introspect', { ...caller, client_id: 'a', client_secret: 's', token: 't' }, false],
    ['a secret', '/oauth2/introspect', { client_id: 'a', client_secret: 's', token: 't' }, true],
    ['a secret of nobody', '/oauth2/introspect', { client_secret: 's', token: 't' }, false],
    ['a proof in the header', '/oauth2/introspect', { token: 't' }, true],
    ['an end by sid', '/sessions/end', { ...caller, sid: 's', iss: 'i' }, true],
    ['an end of two things', '/sessions/end', { ...caller, sid: 's', subject_token: 't' }, false],
    ['an end of nothing', '/sessions/end', caller, false],
    ['a person without a tenant', '/sessions/end', { ...caller, oid: '11111111-1111-4111-8111-111111111111' }, false],
  ];
  for (const [what, path, form, good] of rows) {
    it(`${good ? 'takes' : 'refuses'} ${what}`, () => {
      assert.equal(isRequest[path]?.(JSON.parse(JSON.stringify(form))), good);
    });
  }

  describe('against the broker', () => {
    let broker: FakeBroker;
    let session: string;
    before(async () => {
      broker = await openBroker({ SESSION_RATE: '1000000', CALLERS_RATE: '1000000' });
      session = await broker.signIn();
    });
    after(() => broker[Symbol.asyncDispose]());

    /** Whoever asks, in one of the ways the description has. */
    const proofs = () =>
      fc.constantFrom<{ form: Fields; headers?: Record<string, string> } | undefined>(
        ...['web', 'api', 'operator', 'other-web'].map((name) => ({ form: broker.caller(name) })),
        { form: broker.ownCaller() },
        { form: { client_id: 'gateway', client_secret: gatewaySecret } },
        { form: {}, headers: broker.basic('gateway', gatewaySecret) },
        undefined,
      );
    const known = () => {
      const token = fc.constantFrom(session, broker.userToken(), 'a.b.c', 'unknown');
      const scope = fc.constantFrom(readScope, `${readScope} ${graphScope}`, appScope, 'read', ' ', 'unknown');
      const target = fc.constantFrom('api://api', 'https://graph', 'api', 'unknown');
      return {
        ...{ token, subject_token: token, assertion: token, scope, resource: target, audience: target },
        ...{ client_id: fc.constantFrom('web', 'gateway', 'unknown'), redirect_uri: fc.constant(redirectUri) },
        ...{ code_verifier: fc.constant(verifier), code: fc.uuid(), sid: fc.uuid(), nonce: fc.constant('n') },
      };
    };

    const answers = new Map<string, ValidateFunction>();
    function checkAnswer(path: Path, { status, headers, body }: Awaited<ReturnType<FakeBroker['send']>>): void {
      const inline = description.paths[path].post.responses[status];
      assert.ok(inline, `${status} is not in the description`);
      const response: Described = inline.$ref
        ? description.components.responses[inline.$ref.split('/').at(-1)]
        : inline;
      const at = inline.$ref ?? `#/paths/${pointer(path)}/post/responses/${status}`;
      const validate =
        answers.get(at) ?? ajv.compile({ $ref: `interface${at}/content/${pointer('application/json')}/schema` });
      answers.set(at, validate);
      assert.ok(validate(body), `${status}: ${JSON.stringify([body, validate.errors])}`);
      for (const [name, { schema }] of Object.entries(response.headers ?? {})) {
        assert.ok(
          ajv.validate(
            { type: 'object', properties: { a: schema }, required: ['a'] },
            { a: headers[name.toLowerCase()] },
          ),
          name,
        );
      }
    }

    for (const path of paths) {
      it(`holds for whatever comes to ${path}`, async () => {
        const forms = formsOf(requestSchema(path), known());
        const one = fc.tuple(spoilt(forms), proofs()).map(([pairs, proof]) => {
          const own = Object.entries(proof?.form ?? {}) as [string, string][];
          const rest = proof ? pairs.filter(([name]) => !name.startsWith('client_')) : pairs;
          return { pairs: [...own, ...rest], headers: proof?.headers ?? {} };
        });
        const seen = { good: 0, bad: 0 };
        const property = fc.asyncProperty(one, async ({ pairs, headers }) => {
          const answer = await broker.send({
            path,
            headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
            body: new URLSearchParams(pairs).toString(),
          });
          checkAnswer(path, answer);
          assert.ok(answer.status < 500, answer.text);
          const sent = pairs.filter(([, value]) => value !== '');
          const form = { ...Object.fromEntries(pairs), ...Object.fromEntries(sent) };
          const twice = new Set(sent.map(([name]) => name)).size < sent.length;
          const twoProofs =
            'Authorization' in headers && sent.some(([name]) => /^client_(secret|assertion)/.test(name));
          const good = !twice && !twoProofs && isRequest[path]?.(form) && (!form.claims || isJsonObject(form.claims));
          seen[good ? 'good' : 'bad'] += 1;
          if (good) assert.notEqual(answer.body.error, 'invalid_request', answer.text);
          else assert.ok(answer.status >= 400, `taken against the description: ${JSON.stringify(form)}`);
        });
        // A machine that is busy needs longer for as many.
        while (seen.good <= 20 || seen.bad <= 20) {
          await fc.assert(property, {
            numRuns: 1_000_000,
            interruptAfterTimeLimit: (seconds * 1_000) / paths.length,
            endOnFailure: false,
          });
        }
      });
    }
  });
});
