import type { Logger } from '@onbehalf/chassis/telemetry/logger';
import { Fault } from '@onbehalf/node/core/fault';
import type { Client } from '../clients/clients.ts';
import type { Session } from '../sessions/record.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { measure } from '../signals.ts';
import { accountName } from '../store/redis-keys.ts';
import type { Token } from '../tokens/token.ts';
import type { Tokens } from '../tokens/tokens.ts';
import { allowedScopes } from './allowed-scopes.ts';
import { type AskedToken, type ExchangeDeps, ExchangeRequest, requireSession } from './exchange.ts';

export type ProcessDeps = ExchangeDeps & {
  sessions: Sessions;
  tokens: Tokens;
  findClient: (name: string) => Client | undefined;
  logger: Logger;
};

/** `client`: the name of the client that is to use it; by default the one that asks. */
export type AskedProcess = { scope: string; client?: string | undefined; traceId: string };

/** A living process, as a person or an operator is told of it: epoch seconds. */
export type ListedProcess = { client: string; startedBy: string; scope: string; createdAt: number; endsAt: number };

/** The processes that sessions hand to jobs: they are begun with a session, and acquire tokens without it. */
export class ProcessGrants {
  readonly #deps: ProcessDeps;

  constructor(deps: ProcessDeps) {
    this.#deps = deps;
  }

  /**
   * Begins a process of a session's person. Its scopes are the client's, and no later request has more.
   * @throws Fault `invalid_grant`, `invalid_scope`, `unauthorized_client`, `throttled`, `unavailable`.
   */
  async start(client: Client, sessionToken: string, asked: AskedProcess) {
    const { sessions, perSession, redisKeys, logger } = this.#deps;
    const { client: holder = client.name, traceId: trace_id } = asked;
    if (!client.processes?.clients.includes(holder)) {
      throw new Fault('unauthorized_client', 'The client is not configured to begin processes for this client.');
    }
    const session = await requireSession(sessions, client, sessionToken);
    perSession.take(session.hash);
    const { scope } = allowedScopes(client, asked.scope);
    const { lifeSeconds } = client.processes;
    const { token } = await sessions.processes.start(session, { client: holder, scope, lifeSeconds });
    const account = accountName(redisKeys, session.account.homeAccountId);
    logger.info({ event: 'audit.process_started', client: client.name, for: holder, account, scope, trace_id });
    measure('onbehalf.process.started', 1);
    return { token, scope, expiresInSeconds: lifeSeconds };
  }

  /**
   * An access token for the person of a process, in its scopes: all of them unless some are asked for. It is acquired for
   * the app registration whose session began the process. RFC 6749 section 6.
   * @throws Fault `invalid_grant`, `invalid_scope`, `unauthorized_client` or Entra's class.
   */
  async token(holder: Client, processToken: string, asked: AskedToken): Promise<Token> {
    const process = await this.#deps.sessions.find(processToken, holder.name);
    if (!process?.process) throw new Fault('invalid_grant', 'The process has ended.');
    const owner = this.#deps.findClient(process.client);
    if (!owner?.processes?.clients.includes(holder.name)) {
      throw new Fault('unauthorized_client', 'The client is not configured for processes of this client.');
    }
    const scope = asked.scope || process.process.scope;
    const granted = process.process.scope.split(' ');
    if (!scope.split(' ').every((one) => one === '' || granted.includes(one))) {
      throw new Fault('invalid_scope', 'The process was not begun for all of these scopes.');
    }
    return await this.#deps.tokens.get(new ExchangeRequest(this.#deps, owner, process, { ...asked, scope }));
  }

  /** The living processes of account partitions. @throws Fault `unavailable`. */
  async list(accountKeys: readonly string[]): Promise<ListedProcess[]> {
    const all = await Promise.all(accountKeys.map((key) => this.#deps.sessions.processes.list(key)));
    return all.flat().map(toListed);
  }
}

function toListed({ client, process, createdAtSeconds, expiresAtSeconds }: Session): ListedProcess {
  const { client: holder = client, scope = '' } = process ?? {};
  return { client: holder, startedBy: client, scope, createdAt: createdAtSeconds, endsAt: expiresAtSeconds };
}
