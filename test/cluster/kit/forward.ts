import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { kubectlBinary } from '../../charts/helm.ts';
import type { Cluster } from './cluster.ts';

/** Leads from a socket file, which networks share, to a port of the network that this program is in. */
const bridge = `const [socket, port] = process.argv.slice(1);
require('net').createServer((client) => {
  const pod = require('net').connect(Number(port), '127.0.0.1');
  client.pipe(pod).pipe(client);
  client.on('error', () => pod.destroy());
  pod.on('error', () => client.destroy());
}).listen(socket, () => console.log('listens'));`;

/** Makes a port of a pod one of this machine, by \`kubectl port-forward\`, also where the cluster has a network of its own. */
export async function forward(
  cluster: Cluster,
  namespace: string,
  { pod, port, localPort }: { pod: string; port: number; localPort: number },
): Promise<AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'onbehalf-forward-'));
  const children: ChildProcess[] = [];
  /** Starts a program in the cluster's network; gives the first line it says. */
  const start = async (file: string, args: string[]) => {
    const [first = file, ...before] = [...cluster.prefix, file];
    const child = spawn(first, [...before, ...args], { env: cluster.env, stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [line] = await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(30_000) });
    return String(line);
  };
  const said = await start(await kubectlBinary(), ['-n', namespace, 'port-forward', pod, `:${port}`]);
  const forwarded = Number(/:(\d+) ->/.exec(said)?.[1]);
  const socket = join(folder, 'socket');
  if (cluster.prefix.length > 0) await start(process.execPath, ['-e', bridge, socket, String(forwarded)]);
  const server = createServer((client) => {
    const far = cluster.prefix.length > 0 ? connect(socket) : connect(forwarded, '127.0.0.1');
    client.pipe(far).pipe(client);
    client.on('error', () => far.destroy());
    far.on('error', () => client.destroy());
  }).listen(localPort, '127.0.0.1');
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
