import type { ChildProcess } from 'node:child_process';
import type { ScenarioRun } from '../results/result.ts';

export type StageOptions = {
  name: string;
  brokers: number;
  /** How many people the emulator knows. */
  users: number;
  env?: Record<string, string>;
  /** Puts a relay before Redis. */
  relayed?: boolean;
  /** Starts web-frontend and downstream-api before the brokers as well. */
  front?: boolean;
  /** Starts so many replicas of the example's MCP server. */
  mcp?: number;
  say: (doing: string) => void;
};

/** One broker process: where it serves, and where its metrics and health are. */
export type Broker = { url: string; admin: string; child: { process: ChildProcess } };

export type BrokerResponse = { status: number; body: Record<string, unknown> };

/** What a scenario loads, opened for one run and closed after it; every part is a process of its own. */
export type Stage = AsyncDisposable & {
  /** Replaced in place where a scenario replaces a broker. */
  brokers: Broker[];
  startBroker(): Promise<Broker>;
  emulator: {
    origin: string;
    browserOrigin: string;
    ids: { tenants: { contoso: string }; apps: { web: string } };
  };
  emulatorPid: number;
  /** Between the brokers and Redis, where it was asked for. */
  relay: { cut(): void; freeze(): void; restore(): void } | undefined;
  /** Of all the brokers' keys at Redis. */
  prefix: string;
  /** Sends a form to one broker as a client. */
  post(broker: number, path: string, fields: Record<string, string>, as?: string): Promise<BrokerResponse>;
  /** Brings a person to the point where the code is to be redeemed; gives the form that does it. */
  startSignIn(user: string): Promise<{ fields: Record<string, string> }>;
  /** Exchanges a session for a token of the stage's scope. */
  exchange(broker: number, session: string): Promise<BrokerResponse>;
  /** A method of the emulator's admin API. */
  admin(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Token POSTs the emulator saw since the last `DELETE /counters`, by its name of the grant. */
  calls(grantName?: string): Promise<number>;
  redisCommand(args: string[]): Promise<unknown>;
  /** The brokers' keys that match, e.g. `session:*`, with their prefix. */
  keys(pattern: string): Promise<string[]>;
  /** The spans of one trace that have arrived. */
  spans(traceId: string): ScenarioRun['slowest'][number]['spans'];
  /** web-frontend's origin, where it was asked for. */
  web: string | undefined;
  /** The MCP servers' origins. */
  mcp: string[];
  /** The scope that people's tokens are for. */
  scope: string;
  say(doing: string): void;
  /** A Service before the brokers; `follow` aims it at those that there are now. Closed with the stage. */
  openService(): Promise<{ url: string; follow(): void }>;
  /** A client's ServiceAccount token, renewed in place. */
  assertionFile(client: string): string;
  /** From now on Entra takes so long for a token, evenly between `least` and `most`. */
  slowEntra(leastMs: number, mostMs: number): Promise<void>;
};

export type OpenStage = (options: StageOptions) => Promise<Stage>;

/** Entra as the scenarios have it: 150 ms, give or take 30. */
export const entraMs = { least: 120, most: 180 };

/** So long a service gathers spans before it sends them. */
export const spansMs = 200;
