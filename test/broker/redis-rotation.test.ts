import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { createLogger } from '@onbehalf/chassis/telemetry/logger';
import { createMountedFile } from '@onbehalf/node/core/mounted-file';
import { openTls } from '../../services/entra-emulator/src/tokens/tls.ts';
import type { Config } from '../../services/token-broker/src/config.ts';
import { issueCertificate } from '../../services/token-broker/src/credentials/certificate.fake.ts';
import { openRedisTls } from '../../services/token-broker/src/credentials/redis-tls.ts';
import { passwordCredentials } from '../../services/token-broker/src/redis/password.ts';
import { freePort } from '../kit/ports.ts';
import { withRedis } from '../kit/redis/client.ts';
import { openRedisConnection, type RedisConnection } from '../kit/redis/connection.ts';
import { openRedis, type Redis } from '../kit/redis/server.ts';
import { mountRedisTls, type RedisTls } from '../kit/redis/tls.ts';
import { until } from '../kit/until.ts';

let tls: RedisTls;
let redis: Redis;
let tlsPort: number;
let directory: string;
const opened = new AsyncDisposableStack();

before(async () => {
  directory = opened.use(await mkdtempDisposable(join(tmpdir(), 'onbehalf-'))).path;
  tls = await mountRedisTls(directory, ['localhost']);
  tlsPort = await freePort();
  const env = { ...process.env, REDIS_URL: undefined };
  const settings = [...tls.settings, tls.demanding, `tls-port ${tlsPort}`];
  redis = opened.use(await openRedis({ cacheDir: '.cache', logDir: 'out/redis-rotation', env, settings }));
});
after(() => opened.disposeAsync());

const admin = (...args: string[]) => withRedis(redis, (client) => client.sendCommand(args));
const file = async (name: string, content: string) => {
  const path = join(directory, name);
  await writeFile(path, content, { mode: 0o600 });
  return path;
};
const answers = (at: RedisConnection) =>
  at.connection.command('p:k', ['GET', 'p:k']).then(
    () => true,
    () => false,
  );
/** The user of a client, by its id; connections that sign in anew keep theirs. */
const connections = async (user: string) =>
  String(await admin('CLIENT', 'LIST', 'TYPE', 'normal'))
    .split('\n')
    .filter((line) => line.includes(`user=${user} `)).length;

describe('a password for Redis in a file', () => {
  const connect = (path: string, username: string) =>
    openRedisConnection((logger) => ({
      ...{ mode: 'standalone', url: `redis://127.0.0.1:${redis.port}`, commandTimeoutMs: 1_000 },
      credentials: passwordCredentials({ username, password: createMountedFile(path), logger }),
    }));

  it('changes while connections are open, without a failure: they sign in again, new ones by the new one', async () => {
    await admin('ACL', 'SETUSER', 'turning', 'on', '~p:*', '&p:*', '+@all', '>first');
    const path = await file('turning', 'first\n');
    await using at = connect(path, 'turning');
    await at.heard();
    let [asked, failed] = [0, 0];
    await using stack = new AsyncDisposableStack();
    const asking = setInterval(async () => {
      asked += 1;
      if (!(await answers(at))) failed += 1;
    }, 10);
    stack.defer(() => clearInterval(asking));
    await admin('ACL', 'SETUSER', 'turning', '>second');
    await file('turning', 'second\n');
    await at.until('redis.password_changed');
    await admin('ACL', 'SETUSER', 'turning', '<first');
    await delay(200);
    assert.ok(asked > 20);
    assert.equal(failed, 0);
    clearInterval(asking);
    assert.ok(!at.said().some(({ level }) => level === 'error'));
    // Every connection goes; those that come back have the second password only.
    await admin('CLIENT', 'KILL', 'USER', 'turning');
    await until(() => answers(at), 'it does not come back');
    assert.doesNotMatch(at.lines.join(''), /first|second|turning/);
  });

  it('that Redis knows later than we do leaves open connections as they are', async () => {
    await admin('ACL', 'SETUSER', 'early', 'on', '~p:*', '&p:*', '+@all', '>first');
    await using at = connect(await file('early', 'first'), 'early');
    await at.heard();
    await file('early', 'second');
    assert.equal((await at.until('redis.reauthentication_failed')).reason, 'WRONGPASS');
    assert.equal(await answers(at), true);
    await admin('ACL', 'SETUSER', 'early', '>second', '<first');
    await admin('CLIENT', 'KILL', 'USER', 'early');
    await until(() => answers(at), 'it does not come back');
  });

  it('that we know later than Redis does is used as soon as it is there', async () => {
    await admin('ACL', 'SETUSER', 'late', 'on', '~p:*', '&p:*', '+@all', '>second');
    await using at = connect(await file('late', 'first'), 'late');
    await at.down(/^WRONGPASS$/);
    await file('late', 'second');
    await at.until('redis.up');
    assert.equal(await answers(at), true);
    assert.equal(await connections('late'), 1);
  });

  it('is signed in with again where Redis says that an open connection is not signed in', async () => {
    let signedOut = 0;
    const server = createServer((socket) => {
      let isIn = false;
      const answer = ([name, ...words]: string[]) => {
        if (name === 'HELLO' || name === 'AUTH') isIn = words.includes('of-the-file');
        if (!isIn) return '-NOAUTH Authentication required.\r\n';
        if (name !== 'GET') return '+OK\r\n';
        // Once, and without an end of the connection, as a proxy before Redis may.
        isIn = signedOut++ > 0;
        return '$-1\r\n';
      };
      socket
        .on('error', () => {})
        .on('data', (chunk) => {
          // Every command of the client comes as an array of bulk strings.
          for (const [, command = ''] of String(chunk).matchAll(/\*\d+\r\n((?:\$\d+\r\n[^\r]*\r\n)+)/g)) {
            socket.write(answer([...command.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map(([, word = '']) => word)));
          }
        });
    }).listen(await freePort(), '127.0.0.1');
    await once(server, 'listening');
    opened.defer(() => void server.close());
    const port = (server.address() as { port: number }).port;
    await using at = openRedisConnection((logger) => ({
      ...{ mode: 'standalone', url: `redis://127.0.0.1:${port}`, commandTimeoutMs: 1_000 },
      credentials: passwordCredentials({ password: async () => 'of-the-file', logger }),
    }));
    await until(() => answers(at), 'it does not come up');
    assert.equal(signedOut, 1);
    await until(() => answers(at), 'it does not sign in again');
  });
});

describe('certificates for Redis in files', () => {
  const logger = createLogger({ level: 'silent', service: 'test' });
  const own = issueCertificate('broker', undefined);
  const open = async (files: Config['redis']['tls'], withLogger: Logger = logger) =>
    opened.use(await openRedisTls(files, withLogger));
  const connect = (context: Awaited<ReturnType<typeof openRedisTls>>['context']) =>
    openRedisConnection((withLogger) => ({
      ...{ mode: 'standalone', url: `rediss://localhost:${tlsPort}`, commandTimeoutMs: 1_000, tls: context },
      credentials: passwordCredentials({ password: async () => `${redis.password}`, logger: withLogger }),
    }));
  const bundle = async (name: string, type: 'rsa' | 'ec' | 'ed25519' = 'rsa') => {
    const { key, certificate, privateKey } = issueCertificate(name, tls.clients, { type });
    return { key, certificate, privateKey };
  };

  for (const type of ['rsa', 'ec', 'ed25519'] as const) {
    it(`prove us to a Redis that demands one: ${type}, key and password in files of their own`, async () => {
      const { certificate, privateKey } = await bundle(`broker-${type}`, type);
      const encrypted = String(
        privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'of-the-key' }),
      );
      const files = {
        file: await file(`${type}.crt`, certificate),
        keyFile: await file(`${type}.key`, encrypted),
        passwordFile: await file(`${type}.password`, 'of-the-key\n'),
      };
      const { context } = await open({ caFile: await file('ca.pem', tls.ca), certificate: files });
      await using at = connect(context);
      await at.heard();
      await at.connection.permitted();
    });
  }

  it('are missed by a Redis that demands one, for a reason that the log names', async () => {
    const { context } = await open({ caFile: await file('ca.pem', tls.ca), certificate: undefined });
    await using at = connect(context);
    await at.down(/^ERR_SSL_.*CERTIFICATE_REQUIRED$/);
  });

  it('change while we run: authority and own certificate, for the next connections, and a broken one is not taken', async () => {
    const lines: string[] = [];
    const telling = createLogger({ level: 'info', service: 'test' }, { write: (line) => void lines.push(line) });
    const said = (event: string) => lines.filter((line) => JSON.parse(line).event === event).length;
    const { key, certificate } = await bundle('broker-1');
    const { ca: foreign } = await openTls(['localhost'], undefined);
    const caFile = await file('changing-ca.pem', foreign);
    const own = await file('changing.pem', `${certificate}${key}`);
    const { context } = await open(
      { caFile, certificate: { file: own, keyFile: undefined, passwordFile: undefined } },
      telling,
    );
    await using at = connect(context);
    await at.down(/UNABLE_TO|SELF_SIGNED/);
    await file('changing-ca.pem', tls.ca);
    await at.until('redis.up');
    assert.equal(said('redis.files_reloaded'), 1);
    await file('changing.pem', 'not a certificate');
    await until(() => said('redis.files_failed') === 1, 'the broken file is not told of');
    await file('changing-ca.pem', 'nor this');
    await until(() => said('redis.files_failed') === 2, 'the broken file is not told of');
    await admin('CLIENT', 'KILL', 'TYPE', 'normal');
    await until(() => answers(at), 'it does not come back by the last good files');
    // One of an authority that Redis does not know, then one that it knows.
    const unknown = issueCertificate('somebody');
    await file('changing.pem', `${unknown.certificate}${unknown.key}`);
    await until(() => said('redis.files_reloaded') === 2, 'the new file is not taken');
    await admin('CLIENT', 'KILL', 'TYPE', 'normal');
    await until(async () => !(await answers(at)), 'it shows the old certificate');
    const next = await bundle('broker-2');
    await file('changing.pem', `${next.key}${next.certificate}`);
    await until(() => answers(at), 'it does not come back');
    assert.deepEqual([said('redis.files_failed'), said('redis.files_reloaded')], [2, 3]);
    assert.doesNotMatch(lines.join(''), /not a certificate|nor this/);
  });

  const rows: [what: string, files: () => Promise<Config['redis']['tls']>, message: RegExp][] = [
    [
      'an authority that is absent',
      async () => ({ caFile: '/nowhere/ca.pem', certificate: undefined }),
      /^REDIS_CA_FILE: the file cannot be read$/,
    ],
    [
      'an authority that is none',
      async () => ({ caFile: await file('none', 'canary'), certificate: undefined }),
      /^REDIS_CA_FILE: there is no certificate$/,
    ],
    [
      'a certificate without its key',
      async () => ({
        caFile: undefined,
        certificate: { file: await file('bare', own.certificate), keyFile: undefined, passwordFile: undefined },
      }),
      /^REDIS_CERT_FILE: there is no private key$/,
    ],
    [
      "another's key",
      async () => ({
        caFile: undefined,
        certificate: {
          file: await file('cert', own.certificate),
          keyFile: await file('other', issueCertificate('other').key),
          passwordFile: undefined,
        },
      }),
      /^REDIS_CERT_FILE: the private key belongs to none of the certificates$/,
    ],
  ];
  for (const [what, files, message] of rows) {
    it(`stop us at the start by the key's name: ${what}`, async () => {
      await assert.rejects(openRedisTls(await files(), logger), { name: 'ConfigError', message });
    });
  }
});
