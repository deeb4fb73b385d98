import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { builtInSeed, type Seed, seedSchema } from './directory/seed.ts';
import { issueClientCertificate } from './tokens/tls.ts';

/** The seed's ids by its short names. */
export type Ids = {
  tenants: { contoso: string; fabrikam: string } & Record<string, string>;
  apps: { web: string; api: string; job: string; graph: string } & Record<string, string>;
  users: { alice: string; bob: string; carol: string; dan: string; fay: string } & Record<string, string>;
};

const seedFrontend = 'http://localhost:3000';
const seedBroker = 'system:serviceaccount:onbehalf:token-broker';

/** By app name; PEM. */
export type ClientCertificates = Record<string, { cert: string; key: string }>;

export type SeedOptions = {
  seed?: unknown;
  frontendOrigin?: string | undefined;
  federatedSubjects?: string[] | undefined;
  people?: number;
};

/** The seed as the options change it. @throws ZodError for a seed that is not one. */
export function prepareSeed(options: SeedOptions): Seed {
  const { seed = builtInSeed, frontendOrigin = seedFrontend, federatedSubjects = [seedBroker], people = 0 } = options;
  const moved = seedSchema.parse(moveFrontend(seed, frontendOrigin));
  return addPeople(trustSubjects(moved, federatedSubjects), people);
}

/** Puts the frontend's origin where the seed has its own. */
function moveFrontend(seed: unknown, origin: string): unknown {
  return JSON.parse(JSON.stringify(seed).replaceAll(`"${seedFrontend}/`, `"${origin}/`));
}

/** The seed knows one broker, in one namespace; it may run under other names. */
function trustSubjects(seed: Seed, subjects: string[]): Seed {
  const trust = (credential: Seed['apps'][number]['federated'][number]) =>
    credential.subject === seedBroker ? subjects.map((subject) => ({ ...credential, subject })) : [credential];
  return { ...seed, apps: seed.apps.map((app) => ({ ...app, federated: app.federated.flatMap(trust) })) };
}

function addPeople(seed: Seed, n: number): Seed {
  const [tenant] = seed.tenants;
  if (n === 0 || !tenant) return seed;
  return { ...seed, generate: [...seed.generate, { prefix: 'load', n, tid: tenant.tid }] };
}

/** Puts a new certificate where the seed says `generated`, and keeps it in the state directory, if there is one. */
export async function generateCertificates(seed: Seed, stateDir: string | undefined): Promise<ClientCertificates> {
  const certificates: ClientCertificates = {};
  for (const app of seed.apps.filter((candidate) => candidate.certificates.includes('generated'))) {
    const pair = await issueClientCertificate(app.name);
    certificates[app.name] = pair;
    app.certificates = app.certificates.map((pem) => (pem === 'generated' ? pair.cert : pem));
    if (!stateDir) continue;
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await writeFile(join(stateDir, `${app.name}.key`), pair.key, { mode: 0o600 });
    await writeFile(join(stateDir, `${app.name}.pem`), pair.cert, { mode: 0o600 });
  }
  return certificates;
}

/** Names ids by the beginning of a domain or UPN, or by the app's name. */
export function toIds({ tenants, apps, users }: Seed): Ids {
  const ids = {
    tenants: Object.fromEntries(tenants.map(({ domain, tid }) => [domain.split('.')[0], tid])),
    apps: Object.fromEntries(apps.map(({ name, appId }) => [name, appId])),
    users: Object.fromEntries(users.map(({ upn, oid }) => [upn.split('@')[0], oid])),
  };
  return ids as Ids;
}
