import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, globSync, openSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { Fault } from '@onbehalf/node/core/fault';
import { Secret } from '@onbehalf/node/core/secret';
import { createLogger, describeError } from './logger.ts';

const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl';
const upn = 'alice.canary@contoso.test';

function logged(write: (logger: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  write(createLogger({ level: 'trace', service: 'test' }, { write: (line) => lines.push(line) }));
  return lines.join('');
}

describe('describeError', () => {
  const thrownBy = (code: () => unknown): unknown => {
    try {
      return code();
    } catch (error) {
      return error;
    }
  };

  it('shows our own and the system’s messages', () => {
    const system = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    });
    for (const error of [new Fault('unavailable', 'Later.'), new ConfigError('A_URL: is required'), system]) {
      assert.equal((describeError(error) as { message: string }).message, error.message);
    }
    assert.equal((describeError(system) as { code: string }).code, 'ECONNREFUSED');
  });

  it('shows what the engine says of our code', () => {
    const error = thrownBy(() => (undefined as unknown as { a: { b: string } }).a.b);
    assert.match(JSON.stringify(describeError(error)), /Cannot read properties of undefined/);
  });

  const canary = 'canary-0123456789';
  const foreign: [string, () => unknown][] = [
    ['a vendor', () => new Error(`bad token ${canary}`)],
    ['JSON.parse', () => thrownBy(() => JSON.parse(canary))],
    ['Headers', () => thrownBy(() => new Headers({ authorization: `Bearer ${canary}\n` }))],
    ['Request', () => thrownBy(() => new Request(`http//host/?code=${canary}`))],
    ['the in operator', () => thrownBy(() => 'a' in (canary as unknown as object))],
    ['a property of a string', () => thrownBy(() => Object.assign(canary, { 0: 'x' }))],
    ['Intl', () => thrownBy(() => new Intl.NumberFormat(`${canary}-0`))],
    ['assert', () => thrownBy(() => assert.equal(canary, 'x'))],
    ['a name', () => Object.assign(new Error('x'), { name: `Odd: ${canary}` })],
    ['a code', () => Object.assign(new Error('x'), { code: canary })],
    ['a stack', () => new Error(`x\n    at ${canary} (file:1:1)\n    at ${canary}`)],
    ['a cause', () => new Error('x', { cause: new TypeError(canary) })],
    ['errors of an AggregateError', () => new AggregateError([new Error(canary)], canary)],
    ['a thrown string', () => canary],
  ];
  for (const [source, make] of foreign) {
    it(`says nothing of the input where ${source} quotes it`, () => {
      assert.ok(!JSON.stringify(describeError(make())).includes(canary));
    });
  }

  it('shows why nothing could be connected', () => {
    const one = Object.assign(new Error('connect ECONNREFUSED ::1:1'), { code: 'ECONNREFUSED', syscall: 'connect' });
    assert.match(JSON.stringify(describeError(new AggregateError([one]))), /ECONNREFUSED ::1:1/);
  });

  it('ends where causes go round', () => {
    const error = new Error('x');
    error.cause = error;
    assert.ok(describeError(error));
  });

  it('keeps the frames of our code', () => {
    assert.match(JSON.stringify(describeError(new Error('x'))), /logger\.test\.ts/);
  });
});

describe('createLogger', () => {
  it('writes one JSON object a line, with the service', () => {
    const line = JSON.parse(logged((logger) => logger.info({ event: 'started' }, 'serving')));
    assert.deepEqual([line.level, line.service, line.event, line.msg], ['info', 'test', 'started', 'serving']);
  });

  for (const name of [
    'access_token',
    'authorization',
    'cookie',
    'code_verifier',
    'client_assertion',
    'state',
    'code',
  ]) {
    it(`censors ${name}`, () => {
      assert.ok(!logged((logger) => logger.info({ [name]: 'canary' })).includes('canary'));
    });
  }

  it('censors credentials that lie deeper', () => {
    const text = logged((logger) => logger.info({ req: { headers: { cookie: 'canary', authorization: 'canary' } } }));
    assert.ok(!text.includes('canary'));
  });

  it('masks JWTs and e-mail addresses wherever they stand', () => {
    const text = logged((logger) => {
      logger.info({ a: [{ b: { c: { d: `Bearer ${jwt}` } } }], who: `<${upn}>` }, `${jwt} of ${upn}`);
      logger.child({ user: upn }).warn({ [upn]: 1 });
    });
    assert.ok(!/eyJ|canary/.test(text), text);
    for (const line of text.trim().split('\n')) assert.ok(JSON.parse(line));
  });

  it('describes errors instead of printing them', () => {
    const text = logged((logger) => logger.error({ error: new Error('canary') }));
    assert.ok(!text.includes('canary') && text.includes('"type":"Error"'));
    assert.ok(!logged((logger) => logger.error(new Error('canary'))).includes('canary'));
  });

  it('never shows a Secret', () => {
    assert.ok(!logged((logger) => logger.info({ config: { key: new Secret('canary') } })).includes('canary'));
  });

  it('stays quick on a long line', () => {
    const startedMs = performance.now();
    logged((logger) => logger.info({ text: 'a.b-c_'.repeat(50_000) }));
    assert.ok(performance.now() - startedMs < 2_000);
  });
});

it('nobody but the logger describes an error: described twice, it says nothing', () => {
  const root = new URL('../../../../', import.meta.url).pathname;
  const callers = globSync('{services,packages}/**/src/**/*.ts', { cwd: root }).filter(
    (path) =>
      !/\.test\.ts$|logger\.ts$|life\/run\.ts$/.test(path) &&
      readFileSync(root + path, 'utf8').includes('describeError('),
  );
  assert.deepEqual(callers, []);
});

describe('a log that cannot be written', () => {
  const program = `
    import { createLogger } from ${JSON.stringify(import.meta.resolve('./logger.ts'))};
    const logger = createLogger({ level: 'info', service: 'test' });
    for (let line = 0; line < 200; line += 1) logger.info({ event: 'test', text: 'x'.repeat(1_000) });
    process.stderr.write('served on');`;

  it('because the disk is full does not end the service', () => {
    const full = openSync('/dev/full', 'w');
    const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      ...{ stdio: ['ignore', full, 'pipe'], encoding: 'utf8', timeout: 30_000 },
    });
    closeSync(full);
    assert.deepEqual([stderr, status], ['served on', 0]);
  });

  it('because nobody reads it any more does not either', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    assert.deepEqual([said, code], ['served on', 0]);
  });
});
