import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findDebianTool } from '../../kit/debian/tool.ts';
import { az, type Ended, optionOf } from './az.ts';
import { Graph } from './graph.ts';

const run = promisify(execFile);

/** A subscription, its cluster and its directory, as the tools that stand in for az, kubectl and the others see them. */
export class Tenant {
  readonly objects = new Set<string>();
  readonly graph = new Graph();
  calls: string[] = [];
  /** Which calls fail. */
  fail: RegExp | undefined;

  call(tool: string, args: string[]): Ended {
    const call = [tool, ...args].join(' ');
    this.calls.push(call);
    if (this.fail?.test(call)) return { code: 1, complaint: `ERROR: ${call} was told to fail\n` };
    if (tool === 'kubectl') return this.#kubectl(args);
    if (tool !== 'az') return { code: 0 };
    return args[0] === 'rest' ? { code: 0, said: this.graph.rest(optionOf(args)) } : az(args, this.objects);
  }

  #kubectl(args: string[]): Ended {
    const at = args.findIndex((word) => ['get', 'create'].includes(word));
    const what = `${args[at + 1]} ${args[at + (args[at + 2] === 'generic' ? 3 : 2)]}`;
    if (args[at] === 'create') this.objects.add(what);
    if (args[at] !== 'get' || this.objects.has(what)) return { code: 0 };
    return { code: 1, complaint: `Error from server (NotFound): ${what} not found\n` };
  }
}

/** Runs scripts with these tools replaced by what a tenant says. */
export class StandIns implements AsyncDisposable {
  readonly #opened: AsyncDisposableStack;
  readonly #env: NodeJS.ProcessEnv;
  readonly #tenants = new Map<string, Tenant>();
  readonly directory: string;

  private constructor(opened: AsyncDisposableStack, directory: string, env: NodeJS.ProcessEnv) {
    this.#opened = opened;
    this.directory = directory;
    this.#env = env;
  }

  static async open(tools: string[]): Promise<StandIns> {
    const opened = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'stand-ins-'));
    opened.defer(() => rm(directory, { recursive: true, force: true }));
    for (const tool of tools) await symlink(join(import.meta.dirname, 'stand-in.sh'), join(directory, tool));
    const server = createServer((socket) => made.#serve(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    opened.defer(() => void server.close());
    const jq = await findDebianTool({ name: 'jq', packages: ['jq', 'libjq1', 'libonig5'] }, '.cache');
    const path = [directory, dirname(jq.command), process.env.PATH].join(delimiter);
    const port = String((server.address() as AddressInfo).port);
    const env = { ...process.env, ...jq.env, PATH: path, STAND_IN_PORT: port, RETRY_SECONDS: '0' };
    const made: StandIns = new StandIns(opened, directory, env);
    return made;
  }

  /** The tenant of this name; a new one is empty. */
  tenant(name: string): Tenant {
    const known = this.#tenants.get(name) ?? new Tenant();
    this.#tenants.set(name, known);
    return known;
  }

  /** Runs a script on the tenant of this name. @throws Error with `stderr` where it fails. */
  run(script: string, args: string[], tenant: string): Promise<{ stdout: string; stderr: string }> {
    return run(script, args, { env: { ...this.#env, STAND_IN_TENANT: tenant }, timeout: 60_000 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }

  /** A call is words that end in NUL: how many arguments, the tenant, the tool, the arguments. */
  #serve(socket: Socket): void {
    let received = '';
    socket.setEncoding('utf8').on('error', () => {});
    socket.on('data', (text: string) => {
      received += text;
      const [count, tenant = '', tool = '', ...args] = received.split('\0');
      if (args.length <= Number(count)) return;
      const { code, said = '', complaint = '' } = this.tenant(tenant).call(tool, args.slice(0, -1));
      socket.end([code, said, complaint, ''].join('\0'));
    });
  }
}
