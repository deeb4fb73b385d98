import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { KindInput } from '../sending/plan.ts';
import { claimsOf } from '../sending/token.ts';
import { each } from './people.ts';
import type { Remote } from './remote.ts';
import { safeOrigin, Unsafe } from './safety.ts';

const texts = z.record(z.string(), z.string());

/** The file of `--endpoint`: how a token endpoint is asked, and by whom. It holds secrets, and nothing of it is told. */
const adapterSchema = z.strictObject({
  /** The whole URL of the token endpoint. */
  url: z.url(),
  /** The parameters of every request, and its headers. */
  form: texts.default({}),
  headers: texts.default({}),
  /** The caller's assertion, a file that is renewed: sent as `client_assertion` (RFC 7523). */
  assertionFile: z.string().optional(),
  /** Whose requests take turns: what is theirs in form and headers, and the `oid` that a token of theirs must have. */
  people: z
    .array(z.strictObject({ form: texts.default({}), headers: texts.default({}), oid: z.string().optional() }))
    .min(1)
    .default([{ form: {}, headers: {} }]),
  /** The member of the response that holds the token. */
  token: z.string().default('access_token'),
  /** The exact `iss` of its tokens. It may be left out of opaque ones, if this says that no real Entra ID is behind. */
  issuer: z.string().optional(),
  opaque: z.literal('no real identity provider stands behind it').optional(),
});
type Adapter = z.output<typeof adapterSchema>;

const patienceMs = 15_000;
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/**
 * Anybody's token endpoint: Entra-compatible, RFC 8693, or a service over stock MSAL Node. One token is fetched and looked
 * at before anything else is sent: its issuer has to be the one that the file names, at a place that may be loaded.
 * @throws Unsafe for a file that is none, a target that may not be loaded, and a token of another issuer.
 */
export async function openEndpoint(file: string, allowedHosts: readonly string[]): Promise<Remote> {
  const adapter = await readAdapter(file);
  const origin = safeOrigin(adapter.url, allowedHosts);
  if (adapter.issuer !== undefined) safeOrigin(adapter.issuer, allowedHosts);
  const { pathname, search } = new URL(adapter.url);
  const kind: KindInput = {
    ...{ name: adapter.form.grant_type ?? 'token', path: `${pathname}${search}` },
    ...{ fields: adapter.form, headers: adapter.headers, assertionFile: adapter.assertionFile },
    people: adapter.people.map(({ form, headers, oid }) => ({ fields: form, headers, oid })),
  };
  checkToken(await ask(adapter, 0), adapter);
  return {
    url: origin,
    people: async (count, from) => ({ ...kind, people: turned(kind.people, count, from) }),
    async warm({ people }, times) {
      const numbers = people.map((_, i) => i % adapter.people.length);
      for (let i = 0; i < times; i += 1) await each(numbers, (number) => ask(adapter, number));
    },
  };
}

async function readAdapter(file: string): Promise<Adapter> {
  const parsed = adapterSchema.safeParse(
    await readFile(file, 'utf8')
      .then(JSON.parse)
      .catch(() => undefined),
  );
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`);
  throw new Unsafe(`--endpoint ${file} is not usable:\n${wrong.join('\n')}`);
}

/** So many people from that number on, from 1; fewer take more turns. */
function turned<T>(people: readonly T[], count: number, from: number): T[] {
  const own = people.filter((_, i) => i >= from - 1 && i < from - 1 + count);
  return own.length > 0 ? own : [...people];
}

/** One response for one of the people. @throws Unsafe unless it is 200. */
async function ask({ url, form, headers, assertionFile, people }: Adapter, number: number): Promise<unknown> {
  const person = people[number] ?? { form: {}, headers: {} };
  const proof = assertionFile && {
    client_assertion_type: assertionType,
    client_assertion: (await readFile(assertionFile, 'utf8')).trim(),
  };
  const response = await fetch(url, {
    ...{ method: 'POST', body: new URLSearchParams({ ...form, ...proof, ...person.form }), redirect: 'manual' },
    ...{ headers: { ...headers, ...person.headers }, signal: AbortSignal.timeout(patienceMs) },
  });
  if (response.status !== 200)
    throw new Unsafe(`The endpoint gave person ${number + 1} no token (status ${response.status}).`);
  return await response.json().catch(() => undefined);
}

function checkToken(body: unknown, { token: member, issuer, opaque, people }: Adapter): void {
  const token = z.record(z.string(), z.unknown()).safeParse(body).data?.[member];
  if (typeof token !== 'string')
    throw new Unsafe(`The response has no ${member}: after one request nothing more is sent.`);
  const claims = claimsOf(token);
  if (claims?.iss === undefined && opaque !== undefined) return;
  if (claims?.iss === undefined || claims.iss !== issuer)
    throw new Unsafe('The token is not of the issuer that the file names: after one request nothing more is sent.');
  const [{ oid } = {}] = people;
  if (oid !== undefined && claims.oid !== oid) throw new Unsafe('The first token is of somebody else.');
}
