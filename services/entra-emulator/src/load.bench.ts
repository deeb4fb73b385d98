import { fork } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AccountInfo, AuthenticationResult } from '@azure/msal-node';
import { createEmulator, type Emulator } from './emulator.ts';
import { msalClient } from './msal.fake.ts';
import { apiScope, callback, createRig, graphScope, type Rig, verifier } from './rig.fake.ts';

// How many tokens per CPU second the emulator issues in load mode, against the MSAL Node client that requests them:
//   node services/entra-emulator/src/load.bench.ts
// The emulator has a process of its own; both tell their own CPU time of the same requests. Clients authenticate by
// certificate, as Microsoft advises; that gates (exit code 1 under `wanted`). By secret, MSAL's cheapest, is shown too.

const wanted = 4;
const rounds = 7;
const perRound = 500;
const concurrency = 32;
const people = 250;

type Ask = (index: number) => Promise<AuthenticationResult | null>;
type Cpu = { user: number; system: number };

async function serveEmulator(): Promise<void> {
  const { builtInSeed } = await import('./directory/seed.ts');
  const generate = [{ prefix: 'load', n: people, tid: 'contoso.test' }];
  const emulator = await createEmulator({ signing: 'load', seed: { ...(builtInSeed as object), generate } });
  process.send?.({ ...emulator, close: undefined });
  process.on('message', () => process.send?.(process.cpuUsage()));
}

async function bench(): Promise<void> {
  const child = fork(new URL(import.meta.url), ['emulator']);
  const [emulator] = (await once(child, 'message')) as [Emulator];
  const cpuOfEmulator = async () => {
    const answer = once(child, 'message');
    child.send('cpu');
    return total(((await answer) as [Cpu])[0]);
  };
  const rig = createRig(emulator);
  await rig.admin('PUT', '/interaction', { mode: 'auto', user: 'alice@contoso.test' });
  const asks = { ...(await createAsks(rig, 'certificate')), ...(await createAsks(rig, 'secret')) };
  let failed = false;
  for (const [name, ask] of Object.entries(asks)) {
    const ratios: number[] = [];
    const costs: { client: number; emulator: number }[] = [];
    for (let round = -2; round < rounds; round += 1) {
      const before = { client: total(process.cpuUsage()), emulator: await cpuOfEmulator() };
      await askMany(ask, (round + 2) * perRound);
      const after = { client: total(process.cpuUsage()), emulator: await cpuOfEmulator() };
      // Two rounds to warm up.
      if (round < 0) continue;
      const cost = { client: after.client - before.client, emulator: after.emulator - before.emulator };
      costs.push(cost);
      ratios.push(cost.client / cost.emulator);
    }
    const ratio = median(ratios);
    failed ||= name.endsWith('certificate') && ratio < wanted;
    const each = (side: 'client' | 'emulator') => Math.round(median(costs.map((cost) => cost[side])) / perRound);
    const rate = Math.round(1_000_000 / each('emulator'));
    const figures = `MSAL ${each('client')} us, emulator ${each('emulator')} us a token, ${rate} per CPU second`;
    process.stdout.write(`${name}: ${ratio.toFixed(2)} x (${figures})\n`);
  }
  process.stdout.write(failed ? `under ${wanted} x\n` : `all at least ${wanted} x\n`);
  process.exitCode = failed ? 1 : 0;
  child.kill();
}

/**
 * Every grant that acquires a token, by people in turn. An MSAL client for each request, filled from the person's own cache,
 * as in an application that serves many people from several pods; the discovery document is given to it.
 */
async function createAsks(rig: Rig, credential: 'secret' | 'certificate'): Promise<Record<string, Ask>> {
  const { ids } = rig;
  const azpacr = credential === 'secret' ? '1' : '2';
  const scope = (of: string) => `${of} openid profile offline_access`;
  const discovery = await fetch(`${rig.authority}/v2.0/.well-known/openid-configuration`);
  const authorityMetadata = await discovery.text();
  const { cert = '', key: privateKey = '' } = rig.emulator.clientCertificates.web ?? {};
  const clientCertificate = {
    thumbprintSha256: new X509Certificate(cert).fingerprint256.replaceAll(':', ''),
    privateKey,
  };
  for (const name of ['api', 'job']) await rig.admin('PATCH', `/apps/${name}`, { certificates: [cert] });
  const client = (name: 'web' | 'api' | 'job') => {
    const proof = credential === 'secret' ? { clientSecret: `${name}-secret` } : { clientCertificate };
    return msalClient(rig, { clientId: ids.apps[name], ...proof, authorityMetadata });
  };
  const persons: { account: AccountInfo; accessToken: string; cache: string }[] = [];
  for (let index = 0; index < people; index += 1) {
    const upn = `load${String(index + 1).padStart(5, '0')}@contoso.test`;
    const code = await rig.code(upn, { scope: scope(apiScope), login_hint: upn, nonce: undefined });
    const web = client('web');
    const request = { code, scopes: [apiScope], redirectUri: callback, codeVerifier: verifier };
    const { account, accessToken } = await web.acquireTokenByCode(request);
    persons.push({ account: account as AccountInfo, accessToken, cache: web.getTokenCache().serialize() });
  }
  await rig.admin('POST', '/pool', { client: 'web', scope: scope(apiScope), prefix: 'load', azpacr });
  await rig.admin('POST', '/pool', { client: 'api', scope: scope(graphScope), prefix: 'load', azpacr });
  const person = (index: number) => persons[index % people] as (typeof persons)[number];
  return {
    [`client_credentials by ${credential}`]: () =>
      client('job').acquireTokenByClientCredential({ scopes: ['api://onbehalf-api/.default'] }),
    [`on_behalf_of by ${credential}`]: (index) =>
      client('api').acquireTokenOnBehalfOf({ oboAssertion: person(index).accessToken, scopes: [graphScope] }),
    [`refresh_token by ${credential}`]: (index) => {
      const { account, cache } = person(index);
      const web = client('web');
      web.getTokenCache().deserialize(cache);
      return web.acquireTokenSilent({ account, scopes: [apiScope], forceRefresh: true });
    },
  };
}

async function askMany(ask: Ask, from: number): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < perRound) {
      next += 1;
      const result = await ask(from + next);
      if (!result?.accessToken) throw new Error('no token');
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}

function total({ user, system }: Cpu): number {
  return user + system;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

await (process.argv[2] === 'emulator' ? serveEmulator() : bench());
