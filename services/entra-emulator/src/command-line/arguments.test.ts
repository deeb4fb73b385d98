import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { ConfigError } from '@onbehalf/node/core/config-error';
import { readConfig } from '../config.ts';
import { help, inOptions, readArguments } from './arguments.ts';

describe('the command line', () => {
  it('stands for the environment, and each option of its help is one', () => {
    const named = [...help.matchAll(/^ {2}--([\w-]+)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'help');
    const { env } = readArguments(named.flatMap((name, index) => [`--${name}`, String(index)]));
    assert.deepEqual(
      Object.values(env),
      named.map((_, index) => String(index)),
    );
    const settings = readConfig(readArguments(['--port', '0', '--admin-port', 'off', '--seed', 'mine.json']).env);
    assert.deepEqual(
      [settings.emulator.httpsPort, settings.emulator.adminPort, settings.seedFile],
      [0, 'off', 'mine.json'],
    );
  });

  it('takes several redirect URIs', () => {
    const { env } = readArguments(['--redirect', 'http://localhost:4000/cb', '--redirect', 'https://app.test/cb']);
    assert.deepEqual(readConfig(env).redirectUris, ['http://localhost:4000/cb', 'https://app.test/cb']);
    assert.throws(() => readConfig(readArguments(['--redirect', 'somewhere']).env), /REDIRECT_URIS/);
  });

  it('refuses what it does not know, and says where the options are', () => {
    for (const args of [['--prot', '1'], ['9443'], ['--port']])
      assert.throws(
        () => readArguments(args),
        (error) => error instanceof ConfigError && /entra-emulator --help tells the options/.test(error.message),
      );
  });

  it('names a fault by the option that it came from', () => {
    const { env } = readArguments(['--port', 'x']);
    const message = 'The environment is not usable:\n  HTTPS_PORT: wrong\n  HTTP_PORT: wrong';
    assert.equal(inOptions(message, env), 'The environment is not usable:\n  --port: wrong\n  HTTP_PORT: wrong');
  });
});
