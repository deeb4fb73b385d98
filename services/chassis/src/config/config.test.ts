import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { baseUrl, origin } from '@onbehalf/node/core/address';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { guid } from '@onbehalf/node/core/keys/authority';
import { parseConfig, parseJsonConfig } from '@onbehalf/node/core/parse-config';
import { z } from 'zod';
import { commonConfig, commonEnvironment, words } from './config.ts';

const readFaults = (parse: () => unknown): string => {
  try {
    parse();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  assert.fail('was taken');
};
const common = z.object(commonEnvironment);

describe('parseConfig', () => {
  it('takes defaults for ports, limits and levels, and an empty string for absent', () => {
    const config = commonConfig(parseConfig(common, { HTTP_PORT: '', ADMIN_PORT: ' ', LOG_LEVEL: 'warn' }));
    assert.deepEqual(config, {
      http: { port: 8080, host: undefined, drainMs: 15_000 },
      admin: { port: 9090, host: undefined, drainMs: 15_000 },
      log: { level: 'warn' },
      shutdownDelayMs: 5_000,
    });
  });

  it('names every fault at once and never a value', () => {
    const schema = z.object({ ...commonEnvironment, A_URL: origin, B_ID: guid, C_LIST: words });
    const input = { HTTP_PORT: 'canary', LOG_LEVEL: 'canary', A_URL: 'canary', B_ID: 'canary' };
    const message = readFaults(() => parseConfig(schema, input));
    for (const key of ['HTTP_PORT', 'LOG_LEVEL', 'A_URL', 'B_ID', 'C_LIST']) assert.ok(message.includes(key));
    assert.ok(!message.includes('canary'), message);
  });

  it('takes a blank key for absent, but not one whose blankness says something', () => {
    const schema = z.object({ A: words.optional(), B: words.optional() });
    assert.deepEqual(parseConfig(schema, { A: ' ' }), {});
    const message = readFaults(() => parseConfig(schema, { A: ' ', B: '' }, 'environment', ['B']));
    assert.match(message, /^ {2}B: must name at least one$/m);
    assert.doesNotMatch(message, /A:/);
    assert.deepEqual(parseConfig(schema, { B: undefined }, 'environment', ['B']), {});
  });

  it('says "is required" of what is absent only', () => {
    const message = readFaults(() =>
      parseConfig(z.object({ ...commonEnvironment, A_URL: origin }), { HTTP_PORT: 'x' }),
    );
    assert.match(message, /A_URL: is required/);
    assert.doesNotMatch(message, /HTTP_PORT: is required/);
  });

  it('names an unknown key of a file', () => {
    assert.match(
      readFaults(() => parseJsonConfig(z.strictObject({}), '{"typo":"canary"}', 'CLIENTS_FILE')),
      /CLIENTS_FILE: does not know typo$/,
    );
  });

  it('does not quote a file that is not JSON', () => {
    const message = readFaults(() => parseJsonConfig(z.object({}), '{"secret": canary', 'CLIENTS_FILE'));
    assert.ok(message.includes('CLIENTS_FILE') && !message.includes('canary'), message);
  });
});

const rows: [name: string, schema: z.ZodType, input: string, output: unknown][] = [
  ['origin', origin, 'https://a.example/', 'https://a.example'],
  ['origin', origin, 'https://A.example:443', 'https://a.example'],
  ['origin', origin, 'http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ['origin', origin, 'https://a.example/path', undefined],
  ['origin', origin, 'https://user@a.example', undefined],
  ['origin', origin, 'https://a.example?q', undefined],
  ['origin', origin, 'ftp://a.example', undefined],
  ['origin', origin, 'a.example', undefined],
  ['origin', origin, '', undefined],
  ['baseUrl', baseUrl, 'https://a.example/b/', 'https://a.example/b'],
  ['baseUrl', baseUrl, 'https://a.example/b?q', undefined],
  ['baseUrl', baseUrl, 'not a URL', undefined],
  ['guid', guid, 'A9100000-7E57-4000-8000-000000000021', 'a9100000-7e57-4000-8000-000000000021'],
  ['guid', guid, 'api', undefined],
  ['words', words, ' a, b c ', ['a', 'b', 'c']],
  ['words', words, ' , ', undefined],
];

for (const [name, schema, input, output] of rows) {
  it(`${name} ${output === undefined ? 'refuses' : 'takes'} "${input}"`, () => {
    assert.deepEqual(schema.safeParse(input).data, output);
  });
}
