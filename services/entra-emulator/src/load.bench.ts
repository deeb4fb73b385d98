import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { AccountInfo, AuthenticationResult } from '@azure/msal-node';
import { createEmulator, type Emulator } from './emulator.ts';
import { msalClient } from './msal.fake.ts';
import { apiScope, callback, createRig, graphScope, type Rig, verifier } from './rig.fake.ts';

// How many tokens per CPU second the emulator issues in load mode, against the MSAL Node client that asks for them:
//   node services/entra-emulator/src/load.bench.ts
// The emulator has a process of its own; both tell their own CPU time of the same requests. Exit code 1 under `wanted`.

const wanted = 4;
const rounds = 9;
const perRound = 500;
const concurrency = 32;
const people = 250;

type Ask = (index: number) => Promise<AuthenticationResult | null>;
type Cpu = { user: number; system: number };

async function serveEmulator(): Promise<void> {
  const { builtInSeed } = await import('./seed.ts');
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
  let failed = false;
  for (const [name, ask] of Object.entries(await createAsks(rig))) {
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
    failed ||= ratio < wanted;
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
 * Every grant that buys a token, by people in turn. An MSAL client for each person, kept: it fetches the discovery
 * document once, and its cache is as small as a cache by user is.
 */
async function createAsks(rig: Rig): Promise<Record<string, Ask>> {
  const { ids } = rig;
  const scope = (of: string) => `${of} openid profile offline_access`;
  const persons = await Promise.all(
    Array.from({ length: people }, async (_, index) => {
      const upn = `load${String(index + 1).padStart(5, '0')}@contoso.test`;
      const code = await rig.code(upn, { scope: scope(apiScope), login_hint: upn, nonce: undefined });
      const web = msalClient(rig);
      const request = { code, scopes: [apiScope], redirectUri: callback, codeVerifier: verifier };
      const { account, accessToken } = await web.acquireTokenByCode(request);
      const api = msalClient(rig, { clientId: ids.apps.api, clientSecret: 'api-secret' });
      return { web, api, account: account as AccountInfo, accessToken };
    }),
  );
  await rig.admin('POST', '/pool', { client: 'web', scope: scope(apiScope), prefix: 'load', azpacr: '1' });
  await rig.admin('POST', '/pool', { client: 'api', scope: scope(graphScope), prefix: 'load', azpacr: '1' });
  const person = (index: number) => persons[index % people] as (typeof persons)[number];
  const job = msalClient(rig, { clientId: ids.apps.job, clientSecret: 'job-secret' });
  return {
    client_credentials: () =>
      job.acquireTokenByClientCredential({ scopes: ['api://onbehalf-api/.default'], skipCache: true }),
    on_behalf_of: (index) => {
      const { api, accessToken: oboAssertion } = person(index);
      return api.acquireTokenOnBehalfOf({ oboAssertion, scopes: [graphScope], skipCache: true });
    },
    refresh_token: (index) => {
      const { web, account } = person(index);
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
