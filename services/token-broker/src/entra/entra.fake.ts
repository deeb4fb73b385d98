import { randomUUID } from 'node:crypto';
import type { Client } from '../clients/clients.ts';
import type { Account, Acquired, Entra, Refused, Request, SignIn } from './entra.ts';
import type { Refusal } from './entra-errors.ts';

export type EntraMethod = keyof Entra;
type Call = {
  method: EntraMethod;
  client: string;
  scopes: string[];
  claims: string | undefined;
  msal?: string;
  /** The agent that the client acts as, or asks for (`fmiPath`). */
  agent?: string;
  fmiPath?: string;
};

export function refusal(name: Refusal['class'], more: Partial<Refusal> = {}): Refused {
  return {
    kind: 'refused',
    refusal: { class: name, known: true, members: {}, retryAfterSeconds: undefined, ...more },
  };
}

/** A person's account in one tenant, home unless said. */
export function makeAccount(oid: string, tid: string, tenantId = tid): Account {
  return { homeAccountId: `${oid}.${tid}`, environment: 'login.windows.net', tenantId, localAccountId: oid };
}

/**
 * Entra as the broker sees it, in memory: every token is new, a code is a person's object id unless `codes` says otherwise, `calls` counts. `gate`
 * is waited for before each response, `responses` replaces what a method says.
 */
export function fakeEntra(tenantId: string, nowMs: () => number = Date.now) {
  const calls: Call[] = [];
  /** Whose credential a token is: `t1` its blueprint got for an agent, `t2` an agent got for itself. */
  const credentials = new Map<string | undefined, string>();
  const responses: Partial<Record<EntraMethod, (() => Refused | undefined) | undefined>> = {};
  const life = { expiresInSeconds: 3_600, refreshInSeconds: undefined as number | undefined };
  const fake = {
    codes: new Map<string, string>(),
    /** The home accounts of guests, by their object id here. */
    homes: new Map<string, string>(),
    calls,
    responses,
    life,
    gate: async () => {},
    /** Writes a user's access token of its own in place of the usual one. */
    write: undefined as ((account: Account, scopes: string[]) => string) | undefined,
    reset: () => void calls.splice(0),
    /** From now on no token is given, whatever the grant; nor, without a class, is one refused any longer. */
    refuse(name?: Refusal['class']) {
      const response = name && (() => refusal(name));
      responses.refresh = responses.onBehalfOf = responses.appToken = responses.agentUser = response;
    },
  };

  const accountFor = (oid: string, tid: string): Account => {
    const account = makeAccount(oid, tid);
    return { ...account, homeAccountId: fake.homes.get(oid) ?? account.homeAccountId };
  };

  async function respond(
    method: EntraMethod,
    client: Client,
    asked: Request & { msal?: string; fmiPath?: string },
    account: Account | undefined,
  ): Promise<Acquired | Refused> {
    const { scopes, claims, msal, as, fmiPath } = asked;
    const how = { ...(msal !== undefined && { msal }), ...(as && { agent: as.agent }), ...(fmiPath && { fmiPath }) };
    calls.push({ method, client: client.name, scopes, claims, ...how });
    const number = calls.length;
    const issuedAtSeconds = Math.floor(nowMs() / 1_000);
    await fake.gate();
    const refused = responses[method]?.();
    if (refused) return refused;
    if (as && credentials.get(as.assertion) !== `t1 ${as.agent}`) return refusal('credential');
    const accessToken =
      (account && fake.write?.(account, scopes)) ??
      `${method}-${number}-${account?.homeAccountId ?? 'app'}-${scopes.join(',')}-${randomUUID()}`;
    if (fmiPath) credentials.set(accessToken, `t1 ${fmiPath}`);
    if (as && !account) credentials.set(accessToken, `t2 ${as.agent}`);
    return {
      kind: 'token',
      accessToken,
      scope: scopes.join(' '),
      issuedAtSeconds,
      ...life,
      msal: `rt-${number}-${account?.homeAccountId}`,
      account,
    };
  }

  const entra: Entra = {
    async redeemCode(client, asked) {
      const person = fake.codes.get(asked.code) ?? asked.code;
      const account = accountFor(person, tenantId);
      const acquired = await respond('redeemCode', client, asked, account);
      if (acquired.kind === 'refused') return acquired;
      return {
        ...acquired,
        account,
        idToken: `id-${person}`,
        sub: `sub-${person}`,
        sid: `sid-${person}`,
      } as SignIn;
    },
    refresh: (client, asked) => respond('refresh', client, asked, asked.account),
    onBehalfOf: (client, asked) => {
      const { oid, tid } = JSON.parse(Buffer.from(asked.assertion.split('.')[1] ?? '', 'base64url').toString());
      return respond('onBehalfOf', client, asked, accountFor(oid, tid));
    },
    appToken: (client, asked) => respond('appToken', client, asked, undefined),
    agentUser: async (client, asked) => {
      if (credentials.get(asked.assertion) !== `t2 ${asked.as.agent}`) return refusal('assertion');
      const oid = 'username' in asked.user ? asked.user.username : asked.user.userObjectId;
      return respond('agentUser', client, asked, accountFor(oid, tenantId));
    },
    authorizationEndpoint: async (tenant) => `https://login.test/${tenant}/as/discovered`,
  };
  return Object.assign(fake, { entra });
}

export type FakeEntra = ReturnType<typeof fakeEntra>;
