import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { decodeJwt } from 'jose';
import { readers } from '../../tools/demo/own-client.ts';
import type { Program } from '../kit/debian/packages.ts';
import { findDebianTool } from '../kit/debian/tool.ts';
import { openSystem } from '../kit/system/open.ts';
import { agentScope, serviceClients } from '../kit/system/registrations.ts';
import type { System } from '../kit/system/system.ts';

const text = readFileSync('services/token-broker/README.md', 'utf8');
const blocks = [...text.matchAll(/^```bash\n(.*?)^```/gms)].map(([, block]) => String(block));
const ask = blocks.find((block) => block.startsWith('ask()')) ?? '';
/** A command may go on over several lines. */
const commands = blocks
  .filter((block) => /^(ask|curl -sS) (?!-)/.test(block) && block !== ask)
  .flatMap((block) => block.replaceAll('\\\n', ' ').trim().split('\n'));

/** What each endpoint answers with when it did what was asked. */
const answers: Record<string, (answer: Record<string, unknown>) => boolean> = {
  '/.well-known/oauth-authorization-server': ({ token_endpoint }) => token_endpoint !== undefined,
  '/openapi.json': ({ openapi }) => openapi === '3.1.0',
  '/oauth2/token': ({ access_token }) => typeof access_token === 'string',
  '/oauth2/introspect': ({ active }) => active === true,
  '/oauth2/revoke': (answer) => Object.keys(answer).length === 0,
  '/accounts/lookup': ({ account }) => typeof account === 'string',
  '/sessions/end': ({ ended }) => ended === 1,
  // An agent has no session.
  '/sessions/end -d tid=$TENANT -d agent=$AGENT': ({ ended }) => ended === 0,
};

/** The callers of the README, by the names their ServiceAccounts have in a system. */
const callers = {
  'web-frontend': 'web',
  'downstream-api': 'api',
  job: 'job',
  operator: 'operator',
  assistant: 'assistant',
};
let system: System;
let tools: Program[];

before(async () => {
  const wanted = ['curl', 'openssl'].map((name) => ({ name, packages: [name], whole: true }));
  tools = await Promise.all(wanted.map((one) => findDebianTool(one, '.cache')));
  system = await openSystem({
    name: 'broker-readme',
    brokers: 1,
    scopes: [agentScope],
    seed: (usual) => ({
      ...usual,
      apps: usual.apps.map((app) =>
        app.name === 'web' ? { ...app, optionalClaims: { idToken: ['sid'], accessToken: [] } } : app,
      ),
    }),
  });
  for (const [caller, name] of Object.entries(callers)) {
    const assertion = await system.cluster.mint({ namespace: 'onbehalf', name, audience: 'token-broker' });
    await writeFile(join(system.stateDir, `${caller}.jwt`), assertion, { mode: 0o600 });
  }
});
after(() => system?.close());

/** What the reader of a command has in hand, of somebody who has just signed in. */
async function variables() {
  const SESSION = await system.signIn('alice');
  const TOKEN = String((await system.exchange(0, SESSION)).body.access_token);
  const { oid, tid } = decodeJwt<{ oid: string; tid: string }>(TOKEN);
  const { sid } = (await system.post(0, '/oauth2/introspect', { token: SESSION })).body;
  const { fields } = await system.startSignIn('bob');
  const { code: CODE = '', nonce: NONCE = '', code_verifier: VERIFIER = '', redirect_uri: REDIRECT_URI = '' } = fields;
  const AGENT_TOKEN = String((await system.exchange(0, SESSION, agentScope)).body.access_token);
  const AGENT = system.emulator.ids.apps.scout ?? '';
  const person = { SESSION, TOKEN, AGENT_TOKEN, AGENT, SID: String(sid), OID: oid, TENANT: tid };
  return { ...person, CODE, NONCE, VERIFIER, REDIRECT_URI, BROKER: system.brokers[0]?.url ?? '' };
}

/** What a program prints; it ends with the first command that fails. */
async function shell(program: string, variables: Record<string, string>): Promise<string> {
  const PATH = [...tools.map(({ command }) => dirname(command)), process.env.PATH].join(delimiter);
  const env = { ...Object.assign({}, ...tools.map((one) => one.env)), PATH, ...variables };
  const options = { cwd: system.stateDir, env, timeout: 10_000 };
  return (await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', program], options)).stdout;
}

describe("the broker's README", () => {
  it('has the token of every caller of its requests from the demo', () => {
    const [, names = ''] = /^for name in (.*); do ln/m.exec(text) ?? [];
    assert.deepEqual(names.split(' ').sort(), Object.keys(callers).sort());
    assert.deepEqual([...Object.keys(serviceClients([])), ...readers].sort(), Object.keys(callers).sort());
  });

  it('has a command for every endpoint', () => {
    for (const path of Object.keys(answers))
      assert.ok(
        commands.some((command) => command.includes(path)),
        path,
      );
  });

  it('says how to have a code of the demo', async () => {
    const { browserOrigin, admin = '' } = system.emulator;
    const block = blocks.find((one) => one.startsWith('VERIFIER=')) ?? '';
    const here = block.replaceAll('http://127.0.0.1:9444', admin).replaceAll('http://127.0.0.1:9440', browserOrigin);
    assert.match(await shell(`${here}\necho "$VERIFIER $NONCE $REDIRECT_URI"`, {}), /\?code=\S+\n\w{64} \w{32} http/);
  });

  for (const command of commands) {
    it(`says what works: ${command.replaceAll(/\s+/g, ' ').slice(0, 90)}`, async () => {
      const reader = await variables();
      const stdout = await shell(`${ask}\n${command}`, reader);
      const path = /(?:^ask \S+ |BROKER)(\S+)/.exec(command)?.[1] ?? '';
      const whole = /^ask \S+ (.*)/.exec(command)?.[1] ?? '';
      const isDone = answers[whole] ?? answers[path];
      assert.ok(isDone?.(JSON.parse(stdout)), `${path} answered ${Object.keys(JSON.parse(stdout))}`);
      // Nothing of one command is left for the next.
      await system.post(0, '/sessions/end', { tid: reader.TENANT, oid: reader.OID }, 'operator');
    });
  }
});
