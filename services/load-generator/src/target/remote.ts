import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Options } from '../options.ts';
import { startCodeGrant } from '../sending/journeys.ts';
import type { KindInput, Person, Plan } from '../sending/plan.ts';
import { Sender } from '../sending/sender.ts';
import { claimsOf } from '../sending/token.ts';
import { grants } from './oauth.ts';
import { each, nameOf } from './people.ts';
import { preflight, safeOrigin, Unsafe } from './safety.ts';

const discoverySchema = z.object({ issuer: z.url(), authorization_endpoint: z.url() });
const answerSchema = z.object({ access_token: z.string(), id_token: z.string() });
const podsSchema = z.object({
  JOB_COMPLETION_INDEX: z.coerce.number().int().nonnegative().default(0),
  JOB_COMPLETIONS: z.coerce.number().int().positive().default(1),
});

export type Pod = { index: number; of: number };

/** Which of several pods this is. @throws Unsafe where the environment does not make sense. */
export function podOf(env: NodeJS.ProcessEnv): Pod {
  const parsed = podsSchema.safeParse(env);
  if (!parsed.success || parsed.data.JOB_COMPLETION_INDEX >= parsed.data.JOB_COMPLETIONS)
    throw new Unsafe('JOB_COMPLETION_INDEX must be a number below JOB_COMPLETIONS.');
  return { index: parsed.data.JOB_COMPLETION_INDEX, of: parsed.data.JOB_COMPLETIONS };
}

/** A broker that runs already, its targets checked and its first token looked at. */
export type Remote = {
  url: string;
  /** Signs people in, from that number on, and gives the requests they will make. */
  people(count: number, from: number, say: (doing: string) => void): Promise<KindInput>;
  /** Has each of them fetch a token so often. */
  warm(kind: KindInput, times: number): Promise<void>;
};

/**
 * Looks whether the target may be loaded: its name, the emulator's, and one token of the broker's.
 * @throws Unsafe before anything else is sent.
 */
export async function openRemote(options: Options): Promise<Remote> {
  const { entra, 'assertion-file': assertionFile, 'allow-host': allowed } = options;
  if (!entra || !assertionFile) throw new Unsafe('--url needs --entra and --assertion-file.');
  const [url, emulator] = [safeOrigin(options.url ?? '', allowed), safeOrigin(entra, allowed)];
  const places = await placesOf(emulator, options);
  safeOrigin(places.authorizeUrl, [...allowed, new URL(emulator).hostname]);
  const assertion = async () => ({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: (await readFile(assertionFile, 'utf8')).trim(),
  });
  const redeem = async (number: number) => {
    await using sender = new Sender();
    const grant = await startCodeGrant(sender, places, `${nameOf(number)}@contoso.test`);
    if (!('code' in grant))
      throw new Unsafe(`The emulator gave no code (status ${grant.status}): is INTERACTION=auto?`);
    return { ...grant, ...(await assertion()) };
  };
  await preflight(url, await redeem(1), new URL(places.issuer).origin);

  return {
    url,
    async people(count, from, say) {
      const numbers = Array.from({ length: count }, (_, i) => from + i);
      const people = await each(numbers, async (number, i): Promise<Person> => {
        const response = await fetch(`${url}/oauth2/token`, {
          ...{ method: 'POST', body: new URLSearchParams(await redeem(number)), redirect: 'manual' },
          signal: AbortSignal.timeout(15_000),
        });
        const { access_token, id_token } = answerSchema.parse(await response.json());
        if (i % 200 === 0) say(`signing in ${i} of ${count}`);
        const { oid } = claimsOf(id_token) ?? {};
        return { fields: { subject_token: access_token }, headers: {}, ...(oid !== undefined && { oid }) };
      });
      const type = 'urn:ietf:params:oauth:token-type:access_token';
      const fields = { grant_type: grants.exchange, subject_token_type: type, scope: options.scope };
      return { name: 'token-exchange', assertionFile, fields, people };
    },
    async warm({ people, fields }, times) {
      for (let i = 0; i < times; i += 1)
        await each(people, async (person) => {
          const body = new URLSearchParams({ ...fields, ...person.fields, ...(await assertion()) });
          const response = await fetch(`${url}/oauth2/token`, {
            method: 'POST',
            body,
            signal: AbortSignal.timeout(15_000),
          });
          await response.arrayBuffer();
          if (response.status !== 200) throw new Error(`no token to begin with: ${response.status}`);
        });
    },
  };
}

async function placesOf(emulator: string, options: Options): Promise<NonNullable<Plan['places']> & { issuer: string }> {
  const response = await fetch(`${emulator}/contoso.test/v2.0/.well-known/openid-configuration`, {
    ...{ redirect: 'manual', signal: AbortSignal.timeout(15_000) },
  });
  const { issuer, authorization_endpoint } = discoverySchema.parse(await response.json());
  return {
    issuer,
    // Browsers may know the emulator by another name than we do.
    authorizeUrl: `${emulator}${new URL(authorization_endpoint).pathname}`,
    ...{ clientId: options['client-id'], redirectUri: options['redirect-uri'] },
    scope: `openid profile offline_access ${options.scope}`,
  };
}
