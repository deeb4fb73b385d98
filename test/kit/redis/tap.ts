import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

const connecting = new Set(['PING', 'AUTH', 'HELLO', 'CLIENT', 'CLUSTER', 'SUBSCRIBE', 'INFO', 'READONLY']);

/** Commands that brokers send unasked: on a new connection, as heartbeats, in their upkeep and to try their rights. */
function isHousekeeping([name = '', key = '', ...rest]: string[]): boolean {
  if (name === 'PUBLISH') return String(rest[0]).startsWith('h:');
  if (name === 'SMEMBERS') return key.endsWith(':endings');
  return connecting.has(name) || [key, ...rest].some((word) => word.includes(':check:{') || word.endsWith(':index'));
}

/** Doors in front of Redis, or of every node of a cluster, that count what goes through them and can be shut. */
export class RedisTap implements AsyncDisposable {
  readonly #opened = new AsyncDisposableStack();
  readonly #sockets = new Set<Socket>();
  #shutUntilMs = 0;
  #passed = 0;
  #waiting: { commands: number; then: (command: string[]) => void } | undefined;

  /** Opens one more door; gives its port. */
  async open(target: { host: string; port: number }): Promise<number> {
    const server = createServer((near) => this.#relay(near, target)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#opened.defer(async () => void server.close());
    return (server.address() as AddressInfo).port;
  }

  /**
   * From now on counts the commands that are no housekeeping; as soon as this many went through, `then` is called, once,
   * with the last of them.
   */
  after(commands: number, then: (command: string[]) => void): void {
    this.#passed = 0;
    this.#waiting = { commands, then };
  }

  /** Resets every connection, and refuses new ones for so long. */
  shut(forMs: number): void {
    this.#shutUntilMs = performance.now() + forMs;
    // Commands that were written are to arrive.
    setTimeout(() => {
      for (const socket of this.#sockets) socket.resetAndDestroy();
    }, 20);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
    for (const socket of this.#sockets) socket.destroy();
  }

  get #isShut(): boolean {
    return performance.now() < this.#shutUntilMs;
  }

  /** Lets each command through, then steps in: its answer does not come back from a shut door. */
  #relay(near: Socket, { host, port }: { host: string; port: number }): void {
    this.#keep(near);
    if (this.#isShut) return void near.resetAndDestroy();
    const far = dial(port, host);
    this.#keep(far);
    let rest: Buffer = Buffer.alloc(0);
    near.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let one = parseCommand(rest); one && !this.#isShut; one = parseCommand(rest)) {
        far.write(rest.subarray(0, one.bytes));
        rest = rest.subarray(one.bytes);
        this.#count(one.command);
      }
    });
    far.on('data', (chunk: Buffer) => void (this.#isShut || near.write(chunk)));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
  }

  #count(command: string[]): void {
    if (isHousekeeping(command)) return;
    this.#passed += 1;
    if (!this.#waiting || this.#passed < this.#waiting.commands) return;
    const { then } = this.#waiting;
    this.#waiting = undefined;
    then(command);
  }
}

/** The first command of a RESP stream, its words cut to what tells them apart, and how many bytes it takes. */
function parseCommand(bytes: Buffer): { command: string[]; bytes: number } | undefined {
  let at = 0;
  const line = () => {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const text = bytes.toString('latin1', at + 1, end);
    at = end + 2;
    return Number(text);
  };
  const words = line();
  if (words === undefined) return undefined;
  const command: string[] = [];
  for (let i = 0; i < words; i += 1) {
    const length = line();
    if (length === undefined || bytes.length < at + length + 2) return undefined;
    command.push(bytes.toString('latin1', at, at + Math.min(length, 200)));
    at += length + 2;
  }
  return { command, bytes: at };
}
