import { readFile } from 'node:fs/promises';
import { appScope } from './oauth.ts';
import { preflight, Unsafe } from './safety.ts';
import type { Stage } from './stage.ts';

/** One token of a stage that we opened ourselves: the emulator's, and bought from that very emulator. */
export async function preflightLocal(stage: Stage): Promise<void> {
  const before = await stage.calls();
  const [broker] = stage.brokers;
  await preflight(broker?.url ?? '', await appForm(stage.assertionFile('job'), appScope), stage.emulator.origin);
  if ((await stage.calls()) !== before + 1)
    throw new Unsafe('The token did not come from the emulator that was started.');
}

/** The form that asks for an application's token: no person is needed for it. */
export async function appForm(assertionFile: string, scope: string): Promise<Record<string, string>> {
  return {
    grant_type: 'client_credentials',
    scope,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: (await readFile(assertionFile, 'utf8')).trim(),
  };
}
