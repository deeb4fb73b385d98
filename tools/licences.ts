import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

const page = 'docs/licences.md';

/** What goes into an image: the services that run in production. */
const services = ['web-frontend', 'token-broker', 'downstream-api'];

/** Licences that ask for nothing but their notice, which every package carries. */
export const allowed: readonly string[] = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
];

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      link: z.boolean().optional(),
      resolved: z.string().optional(),
      dependencies: z.record(z.string(), z.string()).default({}),
      optionalDependencies: z.record(z.string(), z.string()).default({}),
    }),
  ),
});
const manifestSchema = z.object({ name: z.string(), version: z.string(), license: z.string().default('none') });

export type Licence = { name: string; version: string; licence: string; usedBy: string[] };

/** Every package that a production image holds, with its licence as the installed package states it. */
export function productionLicences(): Licence[] {
  const { packages } = lockSchema.parse(JSON.parse(readFileSync('package-lock.json', 'utf8')));
  const users = new Map<string, Set<string>>();

  /** Node's own search: beside the one who asks, then in every folder above. */
  function place(name: string, from: string): string | undefined {
    for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
      const path = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
      if (packages[path]) return packages[path].link ? packages[path].resolved : path;
      if (folder === '') return undefined;
    }
  }
  function walk(path: string, service: string): void {
    const known = users.get(path) ?? new Set();
    if (known.has(service)) return;
    users.set(path, known.add(service));
    const { dependencies = {}, optionalDependencies = {} } = packages[path] ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = place(name, path);
      if (!found && !(name in optionalDependencies))
        throw new Error(`${path} needs ${name}, which is not in the lockfile`);
      if (found) walk(found, service);
    }
  }
  for (const service of services) walk(`services/${service}`, service);

  return [...users]
    .filter(([path]) => !/^(services|packages)\//.test(path))
    .map(([path, by]) => {
      const { name, version, license } = manifestSchema.parse(JSON.parse(readFileSync(`${path}/package.json`, 'utf8')));
      return { name, version, licence: license, usedBy: services.filter((service) => by.has(service)) };
    })
    .sort((a, b) => (`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1));
}

/** The page as it must stand. */
export function licencePage(licences: Licence[]): string {
  const counts = Object.entries(Object.groupBy(licences, ({ licence }) => licence)).sort();
  return `# Licences

Every package that the images of ${services.join(', ')} hold, written by
\`npm run licences\` from what is installed. \`test/house/licences.test.ts\` fails when this page is stale or a package offers
none of these licences: ${allowed.join(', ')}.

${licences.length} packages: ${counts.map(([licence, of]) => `${of?.length} ${licence}`).join(', ')}.

| Package | Version | Licence | In |
|---|---|---|---|
${licences.map(({ name, version, licence, usedBy }) => `| ${name} | ${version} | ${licence} | ${usedBy.join(', ')} |`).join('\n')}
`;
}

/** Whether a licence, or one of those an SPDX expression offers by OR, is allowed. */
export const isAllowed = (licence: string) =>
  licence
    .replace(/^\((.*)\)$/, '$1')
    .split(' OR ')
    .some((one) => allowed.includes(one));

/** What stands in the page now. */
export const writtenPage = () => readFileSync(page, 'utf8');

if (import.meta.main) writeFileSync(page, licencePage(productionLicences()));
