#!/usr/bin/env node
// Stands in for az, kubectl, kubelogin, helm and docker, by the name it is called by: objects in the file TOOLS_STATE, every
// call in a line of TOOLS_STATE.calls. az knows the commands and the flags that az-flags.json has of the real one's help.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const { TOOLS_STATE: state, TOOLS_FAIL: fail } = process.env;
const tool = basename(process.argv[1]);
const args = process.argv.slice(2);
const call = [tool, ...args].join(' ');
appendFileSync(`${state}.calls`, `${call}\n`);
const objects = new Set(existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')) : []);
const end = (code, words = '') => {
  if (words) process.stderr.write(`${words}\n`);
  process.exit(code);
};
const keep = (name) => writeFileSync(state, JSON.stringify([...objects.add(name)]));
if (fail && new RegExp(fail).test(call)) end(1, `ERROR: ${call} was told to fail`);

/** Ids of one shape, the same for the same words. */
const idOf = (words) => `${Buffer.from(words.padEnd(6)).toString('hex').slice(-12).padStart(12, '0')}`;
const guidOf = (words) => `11111111-1111-4111-8111-${idOf(words)}`;

function az() {
  const { commands } = JSON.parse(readFileSync(join(import.meta.dirname, 'az-flags.json'), 'utf8'));
  const words = args.slice(
    0,
    args.findIndex((word) => word.startsWith('-')),
  );
  const known = commands[words.join(' ')];
  if (!known) end(2, `'${words.join(' ')}' is misspelled or not recognized by the system.`);
  const given = args.filter((word) => word.startsWith('-'));
  for (const flag of given) if (!known.flags.includes(flag)) end(2, `unrecognized arguments: ${flag}`);
  const names = (flag) => known.same.find((all) => all.includes(flag)) ?? [flag];
  for (const flag of known.required) {
    if (!names(flag).some((name) => given.includes(name))) end(2, `the following arguments are required: ${flag}`);
  }
  const option = (flag) => args[args.indexOf(flag) + 1];
  const own = [
    '--name',
    '--cluster-name',
    '--identity-name',
    '--vault-name',
    '--database-name',
    '--access-policy-assignment-name',
  ];
  const what = [...words.slice(0, -1), ...own.filter((flag) => given.includes(flag)).map(option)].join(' ');
  const verb = words.at(-1);
  // There is one database in a cluster, and its name is not asked for.
  if (call.startsWith('az redisenterprise database create')) return keep(`${what} default`);
  if (['create', 'import', 'set'].includes(verb)) return keep(what);
  if (verb !== 'show' || ['account', 'ad signed-in-user', 'network dns zone'].includes(words.slice(0, -1).join(' ')))
    return print(option, what);
  if (!objects.has(what)) end(3, `ERROR: (ResourceNotFound) ${what} was not found.`);
  print(option, what);
}

function print(option, what) {
  if (!args.includes('--query')) return;
  const known = {
    loginServer: 'onbehalf0000.azurecr.io',
    'oidcIssuerProfile.issuerUrl': 'https://oidc.example.com/x/',
    hostName: 'onbehalf0000.swedencentral.redis.azure.net',
  };
  const zone = `/subscriptions/${guidOf('s')}/resourceGroups/rg-dns/providers/Microsoft.Network/dnszones/example.com`;
  const query = option('--query');
  console.log(
    known[query] ??
      (what.startsWith('network dns zone') ? zone : query === 'id' ? `/subscriptions/x/${what}` : guidOf(what + query)),
  );
}

function kubectl() {
  const at = args.findIndex((word) => ['get', 'create'].includes(word));
  const kind = args[at + 1];
  const name = args[at + (args[at + 2] === 'generic' ? 3 : 2)];
  const what = `${kind} ${name}`;
  if (args[at] === 'create') return keep(what);
  if (!objects.has(what)) end(1, `Error from server (NotFound): ${what} not found`);
}

// Microsoft Graph has a stand-in of its own.
if (tool === 'az' && args[0] === 'rest') await import('../az-stand-in.mjs');
else if (tool === 'az') az();
if (tool === 'kubectl') kubectl();
