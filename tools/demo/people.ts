import builtInSeed from '../../services/entra-emulator/src/directory/seed.json' with { type: 'json' };

const notes: Record<string, string> = {
  'alice@contoso.test': 'an administrator',
  'carol@contoso.test': 'is asked once more before the API may read her Graph profile',
};

/** A line for each of the seed's people who can be picked at the sign-in of the web app; an agent's user signs in nowhere. */
export function listPeople(): string[] {
  const tenant = builtInSeed.tenants[0]?.domain;
  return builtInSeed.users
    .filter((user) => user.tid === tenant && !('identityParentId' in user))
    .map(({ name, upn, ...user }) => {
      const hint = 'disabled' in user ? 'disabled: sign-in is refused' : notes[upn];
      return `${name.padEnd(24)}${upn}${hint ? `  (${hint})` : ''}`;
    });
}
