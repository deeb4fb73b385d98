import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { recordMetrics } from '@onbehalf/chassis/telemetry/measures.fake';
import { metrics } from '@opentelemetry/api';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import forge from 'node-forge';
import type { Credential } from '../clients/clients.ts';
import { issueCertificate, makeCertificate } from './certificate.fake.ts';
import { createCredential } from './credentials.ts';

const endpoint = 'https://login.test/tenant/oauth2/v2.0/token';

describe('a credential', () => {
  let directory = '';
  let writes = 0;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'credentials-'));
  });
  after(() => rm(directory, { recursive: true }));
  const file = () => join(directory, `file-${writes}`);
  const write = async (path: string, content: string) => {
    await writeFile(path, content);
    // A kubelet's swap always changes the time.
    await utimes(path, new Date(), new Date(1_700_000_000_000 + ++writes * 1_000));
  };
  const clock = { ms: 1_800_000_000_000 };
  const nowMs = () => clock.ms;
  const makeAssertion = async (source: ReturnType<typeof createCredential>, client = 'client', at = endpoint) => {
    const clientAuth = await source.clientAuth(client, at);
    assert.ok('clientAssertion' in clientAuth);
    return clientAuth.clientAssertion;
  };

  it('of a certificate is signed as Entra wants it', async () => {
    const path = file();
    const pem = makeCertificate();
    await write(path, pem);
    const jwt = await makeAssertion(createCredential({ type: 'certificate', file: path }, undefined, nowMs));
    const certificate = new X509Certificate(pem);
    const { payload, protectedHeader } = await jwtVerify(jwt, certificate.publicKey, {
      currentDate: new Date(nowMs()),
    });
    const thumbprint = createHash('sha256').update(certificate.raw).digest('base64url');
    assert.deepEqual(protectedHeader, { alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint });
    const { jti, iat, nbf, exp, ...rest } = payload;
    assert.deepEqual(rest, { iss: 'client', sub: 'client', aud: endpoint });
    assert.deepEqual([iat, nbf, exp], [1_800_000_000, 1_800_000_000, 1_800_000_600]);
    assert.ok(jti);
  });

  it('of a certificate is signed once in 8 minutes, and again when the file changes or Entra refused it', async () => {
    const path = file();
    await write(path, makeCertificate());
    const source = createCredential({ type: 'certificate', file: path }, undefined, nowMs);
    const first = await makeAssertion(source);
    clock.ms += 479_000;
    assert.equal(await makeAssertion(source), first);
    assert.notEqual(await makeAssertion(source, 'other'), first);
    clock.ms += 1_000;
    const second = await makeAssertion(source);
    assert.notEqual(second, first);
    await write(path, makeCertificate());
    clock.ms += 1_001;
    const third = await makeAssertion(source);
    assert.notEqual(third, second);
    source.renew();
    assert.notEqual(await makeAssertion(source), third);
    const latest = makeCertificate();
    await write(path, latest);
    source.renew();
    const fourth = await makeAssertion(source);
    const thumbprint = createHash('sha256').update(new X509Certificate(latest).raw).digest('base64url');
    assert.equal(decodeProtectedHeader(fourth)['x5t#S256'], thumbprint, 'the file is looked at at once');
    assert.equal(new Set([first, second, third, fourth].map((jwt) => decodeJwt(jwt).jti)).size, 4);
  });

  it('keeps not more assertions than tenants of late, however many are asked for', async () => {
    const path = file();
    await write(path, makeCertificate());
    const source = createCredential({ type: 'certificate', file: path }, undefined, nowMs);
    const first = await makeAssertion(source, 'client', 'https://login.test/0');
    for (let i = 1; i <= 40; i += 1) await makeAssertion(source, 'client', `https://login.test/${i}`);
    assert.notEqual(await makeAssertion(source, 'client', 'https://login.test/0'), first, 'the oldest is forgotten');
  });

  it('of a federated token is read again when it changed, at once after a refusal', async () => {
    const path = file();
    await write(path, 'one\n');
    const source = createCredential({ type: 'federated' }, path, nowMs);
    assert.equal(await makeAssertion(source), 'one');
    await write(path, 'two\n');
    assert.equal(await makeAssertion(source), 'one', 'looked at once a second');
    source.renew();
    assert.equal(await makeAssertion(source), 'two');
    await write(path, 'three\n');
    clock.ms += 1_001;
    assert.equal(await makeAssertion(source), 'three');
    await rm(path);
    clock.ms += 1_001;
    assert.equal(await makeAssertion(source), 'three', 'away between two swaps');
  });

  it('of a secret is the content of its file', async () => {
    const path = file();
    await write(path, 'canary\n');
    const source = createCredential({ type: 'secret', file: path }, undefined, nowMs);
    assert.deepEqual(await source.clientAuth('client', endpoint), { clientSecret: 'canary' });
  });

  it('without its file can be opened, so that the next in the list is tried, and proves nothing', async () => {
    for (const source of [
      createCredential({ type: 'federated' }, undefined, nowMs),
      createCredential({ type: 'secret', file: join(directory, 'absent') }, undefined, nowMs),
    ]) {
      await assert.rejects(source.clientAuth('client', endpoint));
    }
  });

  it('of a broken certificate proves nothing and does not quote it', async () => {
    const path = file();
    await write(path, '-----BEGIN CERTIFICATE-----\ncanary\n');
    const source = createCredential({ type: 'certificate', file: path }, undefined, nowMs);
    await assert.rejects(source.clientAuth('client', endpoint), (error) => !String(error).includes('canary'));
  });

  it('of a certificate in two files sends its chain where that is asked for', async () => {
    const issuer = issueCertificate('Issuing');
    const leaf = issueCertificate('leaf', issuer);
    const [path, keyFile] = [`${file()}.crt`, `${file()}.key`];
    await write(path, issuer.certificate + leaf.certificate);
    await write(keyFile, leaf.key);
    const source = createCredential({ type: 'certificate', file: path, keyFile, sendX5c: true }, undefined, nowMs);
    const { x5c } = decodeProtectedHeader(await makeAssertion(source));
    const toDer = ({ certificate }: { certificate: string }) => new X509Certificate(certificate).raw.toString('base64');
    assert.deepEqual(x5c, [toDer(leaf), toDer(issuer)]);
  });

  it('of a certificate that breaks while running keeps the last good one, and says so once', async () => {
    const path = file();
    await write(path, makeCertificate());
    const told: unknown[] = [];
    const source = createCredential({ type: 'certificate', file: path }, undefined, nowMs, (error) => told.push(error));
    const thumbprint = async (client: string) =>
      decodeProtectedHeader(await makeAssertion(source, client))['x5t#S256' as 'x5t'];
    const good = await thumbprint('a');
    await write(path, `${makeCertificate().split('-----BEGIN CERTIFICATE')[0]}`);
    for (const client of ['b', 'c']) {
      clock.ms += 1_001;
      assert.equal(await thumbprint(client), good);
    }
    assert.match(String(told), /^ConfigError: there is no certificate$/);
    const next = makeCertificate();
    await write(path, next);
    clock.ms += 1_001;
    assert.notEqual(await thumbprint('d'), good);
  });

  const rows: Record<string, (path: string) => Promise<[credential: Credential, broken: string | undefined]>> = {
    'a secret': async (path) => {
      await write(path, 'canary');
      return [{ type: 'secret', file: path }, undefined];
    },
    'a federated token': async (path) => {
      await write(path, 'canary');
      return [{ type: 'federated', file: path }, undefined];
    },
    'a certificate': async (path) => {
      await write(path, makeCertificate());
      return [{ type: 'certificate', file: path }, 'canary'];
    },
    'a certificate in two files': async (path) => {
      const { key, certificate } = issueCertificate('leaf');
      await write(`${path}.crt`, certificate);
      await write(path, key);
      return [{ type: 'certificate', file: `${path}.crt`, keyFile: path }, issueCertificate('canary').key];
    },
    'a certificate whose key has a password': async (path) => {
      const { privateKey, certificate } = issueCertificate('leaf');
      const cipher = { cipher: 'aes-256-cbc', passphrase: 'password' };
      await write(`${path}.pem`, certificate + String(privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher })));
      await write(path, 'password');
      return [{ type: 'certificate', file: `${path}.pem`, passwordFile: path }, 'canary'];
    },
    'a PFX': async (path) => {
      const { key, certificate } = issueCertificate('leaf');
      const chain = [forge.pki.certificateFromPem(certificate)];
      const pfx = forge.pkcs12.toPkcs12Asn1(forge.pki.privateKeyFromPem(key), chain, '', { algorithm: 'aes256' });
      const base64 = Buffer.from(forge.asn1.toDer(pfx).getBytes(), 'latin1').toString('base64');
      await write(path, base64);
      return [{ type: 'certificate', file: path }, base64.slice(0, 400)];
    },
  };
  for (const [kind, mount] of Object.entries(rows)) {
    it(`of ${kind} stays what was last good, through refusals too, and each way to break it is said once`, async () => {
      const path = file();
      const [credential, broken] = await mount(path);
      const told: unknown[] = [];
      const source = createCredential(credential, undefined, nowMs, (error) => told.push(error));
      const isGood = async () => {
        const clientAuth = await source.clientAuth('client', endpoint);
        if ('clientSecret' in clientAuth) return clientAuth.clientSecret === 'canary';
        if (credential.type === 'federated') return clientAuth.clientAssertion === 'canary';
        return decodeProtectedHeader(clientAuth.clientAssertion)['x5t#S256' as 'x5t'] === thumbprint;
      };
      const clientAuth = await source.clientAuth('client', endpoint);
      const thumbprint =
        'clientAssertion' in clientAuth && credential.type === 'certificate'
          ? decodeProtectedHeader(clientAuth.clientAssertion)['x5t#S256' as 'x5t']
          : undefined;
      const good = await readFile(path, 'utf8');
      const ways = [
        ...(broken === undefined ? [] : [() => write(path, broken)]),
        () => write(path, ''),
        () => rm(path),
      ];
      for (const [at, breakIt] of ways.entries()) {
        await breakIt();
        for (let look = 0; look < 4; look += 1) {
          if (look % 2 === 0) source.renew();
          clock.ms += 1_001;
          assert.ok(await isGood());
        }
        assert.equal(told.length, at + 1, 'said once');
        await write(path, good);
        clock.ms += 1_001;
        assert.ok(await isGood());
      }
      assert.doesNotMatch(told.join(), /canary/);
    });
  }

  it('of a certificate tells what its leaf has left, not what its issuer has', async () => {
    const issuer = issueCertificate('Issuing', undefined, { ends: '480101000000Z' });
    const leaf = issueCertificate('leaf', issuer, { ends: '280101000000Z' });
    const path = file();
    await write(path, issuer.certificate + leaf.key + leaf.certificate);
    const collect = recordMetrics();
    await makeAssertion(createCredential({ type: 'certificate', file: path }, undefined, nowMs));
    const measured = (await collect()).get('onbehalf.credential.remaining')?.map(({ value }) => value);
    metrics.disable();
    assert.deepEqual(measured, [(Date.UTC(2028, 0, 1) - nowMs()) / 1_000]);
  });
});
