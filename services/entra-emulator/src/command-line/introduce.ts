import { join } from 'node:path';
import type { Emulator } from '../emulator.ts';

/** What somebody who has just started the emulator needs in order to use it, as lines of text. */
export function introduce({ origin, browserOrigin, admin, engine }: Emulator, stateDir: string): string {
  const { tenants, users, apps } = engine.current.world.directory;
  const [tenant] = tenants;
  // The user of an agent signs in nowhere.
  const atHome = users.filter(({ tid, home, identityParentId }) => tid === tenant?.tid && !home && !identityParentId);
  const people = atHome.slice(0, 10);
  const clients = apps.filter(({ secrets, spaRedirectUris, publicRedirectUris }) =>
    [secrets, spaRedirectUris, publicRedirectUris].some((list) => list.length > 0),
  );
  const rows = clients.map(({ name, appId, secrets }) => [name, appId, secrets[0]?.value ?? 'no secret'] as const);
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    `A stand-in for Microsoft Entra ID, for development only: it signs anyone in.`,
    '',
    `  Authority  ${origin}/${tenant?.tid}`,
    `  Pages      ${browserOrigin}`,
    `  Admin      ${admin ?? 'off'}`,
    `  Trust      NODE_EXTRA_CA_CERTS=${join(stateDir, 'ca.pem')}`,
    `  People     ${people.map(({ upn }) => upn).join(', ')}, without a password`,
    '  Apps       their client ids and secrets',
    ...rows.map(([name, id, secret]) => `    ${name.padEnd(width)}  ${id}  ${secret}`),
    '',
    'Ctrl-C ends it; nothing is kept but the certificate.',
  ].join('\n');
}
