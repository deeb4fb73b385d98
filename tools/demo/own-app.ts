import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { mountJson } from '../../test/kit/mounts.ts';
import type { SystemOptions } from '../../test/kit/system/open.ts';

/** An app of somebody's behind the demo's frontend: its address, or a folder of files. */
export type OwnApp = { url: string } | { folder: string };

/** What `--app` says; undefined without it. @throws Error in a sentence for what is neither an address nor a folder. */
export function readOwnApp(app: string | undefined): OwnApp | undefined {
  if (app === undefined) return undefined;
  if (!/^https?:/.test(app)) {
    const folder = resolve(app);
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return { folder };
    throw new Error(`--app ${app} is neither an address, such as http://localhost:4000, nor a folder.`);
  }
  const url = URL.canParse(app) ? new URL(app) : undefined;
  if (!url || url.href !== `${url.origin}/`)
    throw new Error(`--app ${app} must be an origin, such as http://localhost:4000, without a path.`);
  return { url: url.origin };
}

/** Its name in `UPSTREAMS_FILE`: the audience of the JWTs that it gets. */
const name = 'own-app';

/** What the demo says of it once it runs. */
export function tellOwnApp(app: OwnApp): string {
  return 'url' in app
    ? `The frontend passes requests on to ${app.url}. Its name there is ${name}: the "aud" of the JWT that says who asks.`
    : `The frontend serves the files of ${app.folder}.`;
}

/**
 * How a system is opened that has it at `/`: people sign in before they reach an address, which then gets who they are as
 * `X-Auth-*` and as a JWT. Files are everybody's.
 */
export async function withOwnApp(app: OwnApp): Promise<Pick<SystemOptions, 'env'>> {
  const personal = { require: 'session', pass: 'identity', identityHeaders: true };
  const upstream = 'url' in app ? { ...app, ...personal } : { ...app, require: 'none' };
  return {
    env: { web: { UPSTREAMS_FILE: await mountJson('.cache/demo', 'upstreams.json', { [name]: upstream }) } },
  };
}
