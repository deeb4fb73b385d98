import { isIP } from 'node:net';
import { z } from 'zod';
import { claimsOf } from '../sending/token.ts';

/** What a load test is not to do; its message says what to do instead. */
export class Unsafe extends Error {}

/** Sign-in and Graph of every cloud of Microsoft's: Learn, "National clouds", and Entra's older names. */
const microsoft = [
  ...['microsoftonline.com', 'microsoftonline.us', 'microsoftonline.de', 'microsoftonline.cn', 'microsoftonline-p.com'],
  ...['microsoft.com', 'microsoft.us', 'microsoft.de', 'microsoft.cn', 'microsoftazure.us', 'live.com', 'windows.net'],
  ...['windows-ppe.net', 'chinacloudapi.cn', 'cloudapi.de', 'usgovcloudapi.net', 'msauth.net', 'msftauth.net'],
  ...['b2clogin.com', 'b2clogin.cn', 'b2clogin.us', 'ciamlogin.com', 'ciamlogin.us', 'ciamlogin.cn'],
];
const inCluster = /^[a-z0-9-]+$|\.svc$|\.svc\.cluster\.local$/;

export const caps = { ratePerSecond: 10_000, durationSeconds: 7_200 };

/**
 * The origin of a target that may be loaded: this machine, a name in the cluster, or a host that was allowed by name.
 * @throws Unsafe for any other, and always for Microsoft's.
 */
export function safeOrigin(target: string, allowedHosts: readonly string[]): string {
  const url = URL.canParse(target) ? new URL(target) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new Unsafe(`${target} is no http or https URL.`);
  const host = url.hostname.replace(/\.$/, '').replace(/^\[|\]$/g, '');
  if (microsoft.some((domain) => host === domain || host.endsWith(`.${domain}`)))
    throw new Unsafe(`${host} is Microsoft's: no load test goes there, whatever is allowed. Use the emulator.`);
  if (isLoopback(host) || (!isIP(host) && inCluster.test(host)) || allowedHosts.includes(host)) return url.origin;
  throw new Unsafe(`${host} is neither this machine nor a name in the cluster: allow it by --allow-host ${host}.`);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(\.\d+){3}$/.test(host);
}

/** Of a code grant the session's token is opaque, and the ID token tells. */
const answerSchema = z.object({ access_token: z.string(), id_token: z.string().optional() });

/**
 * Fetches one token, the only request there is until its issuer is known: the broker behind a good target may buy from
 * the real Entra ID.
 * @throws Unsafe unless the token is the emulator's.
 */
export async function preflight(url: string, form: Record<string, string>, emulatorOrigin: string) {
  const response = await fetch(`${url}/oauth2/token`, {
    ...{ method: 'POST', body: new URLSearchParams(form), redirect: 'manual' },
    signal: AbortSignal.timeout(15_000),
  });
  const answer = answerSchema.safeParse(await response.json().catch(() => undefined));
  if (response.status !== 200 || !answer.success)
    throw new Unsafe(`${url} gave no token to look at (status ${response.status}), so nothing was loaded.`);
  const { iss = '' } = claimsOf(answer.data.id_token ?? answer.data.access_token) ?? {};
  if (!URL.canParse(iss) || new URL(iss).origin !== emulatorOrigin)
    throw new Unsafe(
      `The broker's tokens are not of the emulator at ${emulatorOrigin}: after one request nothing more is sent.`,
    );
}
