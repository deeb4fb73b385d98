import flags from './az-flags.json' with { type: 'json' };

type Command = { flags: string[]; required: string[]; same: string[][] };
const commands: Record<string, Command | undefined> = flags.commands;

/** What a program ends with: its exit code, what it printed, what it complained of. */
export type Ended = { code: number; said?: string; complaint?: string };

const own = [
  ...['--name', '--cluster-name', '--identity-name', '--vault-name', '--database-name'],
  '--access-policy-assignment-name',
];

/** Ids of one shape, the same for the same words. */
const idOf = (words: string) => Buffer.from(words.padEnd(6)).toString('hex').slice(-12).padStart(12, '0');
const guidOf = (words: string) => `11111111-1111-4111-8111-${idOf(words)}`;
const zone = `/subscriptions/${guidOf('s')}/resourceGroups/rg-dns/providers/Microsoft.Network/dnszones/example.com`;

/** The value of a flag. */
export const optionOf = (args: string[]) => (flag: string) => args[args.indexOf(flag) + 1] ?? '';

/** `az` on what there is: it knows the commands and flags that az-flags.json has of the real one's help. */
export function az(args: string[], objects: Set<string>): Ended {
  const end = args.findIndex((word) => word.startsWith('-'));
  const words = args.slice(0, end);
  const known = commands[words.join(' ')];
  if (!known) return { code: 2, complaint: `'${words.join(' ')}' is misspelled or not recognized by the system.\n` };
  const given = args.filter((word) => word.startsWith('-'));
  const unknown = given.find((flag) => !known.flags.includes(flag));
  if (unknown) return { code: 2, complaint: `unrecognized arguments: ${unknown}\n` };
  const names = (flag: string) => known.same.find((all) => all.includes(flag)) ?? [flag];
  const missing = known.required.find((flag) => !names(flag).some((name) => given.includes(name)));
  if (missing) return { code: 2, complaint: `the following arguments are required: ${missing}\n` };

  const option = optionOf(args);
  const kind = words.slice(0, -1).join(' ');
  const what = [kind, ...own.filter((flag) => given.includes(flag)).map(option)].join(' ');
  const made = madeBy(words, given, what);
  if (made) objects.add(made);
  if (made) return { code: 0 };
  const isAlwaysThere = ['account', 'ad signed-in-user', 'network dns zone'].includes(kind);
  if (words.at(-1) === 'show' && !isAlwaysThere && !objects.has(what)) {
    return { code: 3, complaint: `ERROR: (ResourceNotFound) ${what} was not found.\n` };
  }
  return { code: 0, said: given.includes('--query') ? `${queried(option('--query'), what, objects)}\n` : '' };
}

/** The object that a command makes, if it makes one. */
function madeBy(words: string[], given: string[], what: string): string | undefined {
  // There is one database in a cluster, and its name is not asked for.
  if (words.join(' ') === 'redisenterprise database create') return `${what} default`;
  if (given.includes('--enable-azure-monitor-metrics')) return 'metrics';
  return ['create', 'import', 'set'].includes(words.at(-1) ?? '') ? what : undefined;
}

function queried(query: string, what: string, objects: Set<string>): string {
  const known: Record<string, string> = {
    loginServer: 'onbehalf0000.azurecr.io',
    'azureMonitorProfile.metrics.enabled': objects.has('metrics') ? 'true' : 'null',
    'oidcIssuerProfile.issuerUrl': 'https://oidc.example.com/x/',
    hostName: 'onbehalf0000.swedencentral.redis.azure.net',
  };
  if (known[query]) return known[query];
  if (what.startsWith('network dns zone')) return zone;
  return query === 'id' ? `/subscriptions/x/${what}` : guidOf(what + query);
}
