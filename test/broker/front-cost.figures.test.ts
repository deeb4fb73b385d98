import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { median } from '../../services/load-generator/src/results/statistics.ts';
import { cpuUs } from '../../services/load-generator/src/sampling/process-figures.ts';
import { record } from '../../tools/run/figures.ts';
import { answers, startChild } from '../kit/child.ts';
import { freePort } from '../kit/ports.ts';
import { accept, pick } from '../kit/steps.ts';
import { openSystem } from '../kit/system/open.ts';
import type { System } from '../kit/system/system.ts';

const slices = 9;
/** The system tells CPU in steps of 10 ms: some 3 % of what so many requests cost the bare proxy. */
const requestsPerSlice = 4_000;
const atOnce = 20;

const opened = new AsyncDisposableStack();
const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
const body = JSON.stringify({ orders: Array.from({ length: 40 }, (_, id) => ({ id, state: 'sent' })) });
const app = createServer((_req, res) => {
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
});
let dir = '';
let system: System;
let proxy: { url: string; pid: number };

before(async () => {
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  const url = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
  dir = await mkdtemp(join(tmpdir(), 'onbehalf-front-'));
  const upstreams = {
    none: { url, path: '/none' },
    identity: { url, path: '/identity', pass: 'identity', identityHeaders: true },
    token: { url, path: '/token', pass: 'token', api: 'downstream-api' },
  };
  await writeFile(join(dir, 'upstreams.json'), JSON.stringify(upstreams));
  const env = { web: { UPSTREAMS_FILE: join(dir, 'upstreams.json') } };
  system = opened.use(await openSystem({ frontend: true, name: 'front-cost', env }));
  const port = await freePort();
  const child = opened.use(
    await startChild({
      ...{ name: 'bare-proxy', command: process.execPath, args: ['tools/bench/servers/bare-proxy.ts', `${port}`, url] },
      logFile: join(system.logDir, 'bare-proxy.log'),
      ready: () => answers(`http://127.0.0.1:${port}/`),
    }),
  );
  proxy = { url: `http://127.0.0.1:${port}`, pid: child.process.pid ?? 0 };
});
after(async () => {
  await opened.disposeAsync();
  agent.destroy();
  app.closeAllConnections();
  app.close();
  await rm(dir, { recursive: true, force: true });
});

async function ask(url: string, cookie: string): Promise<void> {
  const [response] = (await once(get(url, { agent, headers: { cookie, accept: '*/*' } }), 'response')) as [
    IncomingMessage,
  ];
  assert.equal(response.statusCode, 200);
  response.resume();
  await once(response, 'end');
}

/** The CPU of one request at a process, in microseconds. */
async function slice(pid: number, url: string, cookie: string): Promise<number> {
  const beforeUs = cpuUs(pid);
  let left = requestsPerSlice;
  const work = async () => {
    for (; left > 0; left -= 1) await ask(url, cookie);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return (cpuUs(pid) - beforeUs) / requestsPerSlice;
}

describe('the front mode', () => {
  it('costs a request little more CPU than a bare proxy', async () => {
    const visitor = system.visitor();
    await visitor.open(`${system.web}/none`);
    await pick(visitor, system, 'alice');
    await accept(visitor, system);
    await visitor.open(`${system.web}/token`);
    await accept(visitor, system);
    const cookie = await visitor.jar.getCookieString(system.web);
    const pid = system.program('web-frontend').process.pid ?? 0;
    for (const pass of ['none', 'identity', 'token'] as const) {
      const floor = () => slice(proxy.pid, proxy.url, cookie);
      const front = () => slice(pid, `${system.web}/${pass}`, cookie);
      for (let warm = 0; warm < 5; warm += 1) {
        await floor();
        await front();
      }
      const ratios: number[] = [];
      for (let turn = 0; turn < slices; turn += 1) {
        // In pairs, so that what else the machine does falls on both.
        const floorUs = await floor();
        ratios.push((await front()) / floorUs);
      }
      record(`front mode, pass ${pass}: CPU of a request, of one at a bare proxy`, median(ratios));
    }
  });
});
