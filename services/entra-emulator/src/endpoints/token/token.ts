import type { App, Platform } from '../../directory/seed.ts';
import { Refusal } from '../../requests/aadsts.ts';
import { type Call, type HttpResponse, json, readParameters, requireParameter } from '../../requests/call.ts';
import { authenticatePublic, type Credentials } from '../../tokens/client-auth.ts';
import type { World } from '../../world.ts';
import { deviceGrants, grants } from './grants.ts';

/** The grants of a public client. */
const publicGrants = ['authorization_code', 'refresh_token', ...deviceGrants];

/** The token endpoint: authenticates the client, then redeems the grant. @throws Refusal. */
export async function token(world: World, segment: string, call: Call): Promise<HttpResponse> {
  const { form } = call;
  const realm = world.directory.realm(segment);
  const type = requireParameter(form, 'grant_type');
  const { clientId, ...credentials } = readCredentials(call, type);
  if (!clientId) throw new Refusal(900144, { parameter: 'client_id' });
  const client = world.directory.client(clientId, realm);
  const grant = Object.hasOwn(grants, type) ? grants[type] : undefined;
  if (!grant) throw new Refusal(70003, { grant: type });
  const platform = publicGrants.includes(type) ? toPlatform(world, client, form) : 'web';
  checkOrigin(platform, call.headers.origin);
  const authentication =
    platform === 'web'
      ? await world.authenticator.authenticate(client, realm, credentials)
      : authenticatePublic(credentials);
  const response = grant(world, { realm, form, client, authentication });
  return { ...json(200, response), outcome: 'ok' };
}

/** How the grant began decides whether the client needs a credential; of an unknown grant, the kind of client decides. */
function toPlatform({ state }: World, client: App, form: URLSearchParams): Platform {
  const grant = state.findGrant(form.get('code') ?? form.get('refresh_token') ?? '');
  if (grant) return grant.platform;
  if (deviceGrants.includes(form.get('grant_type') ?? '')) return client.isFallbackPublicClient ? 'public' : 'web';
  if (client.redirectUris.length > 0) return 'web';
  return client.publicRedirectUris.length > 0 || client.isFallbackPublicClient ? 'public' : 'web';
}

/** Only pages get the tokens of a page, and pages get no others. @throws Refusal 9002326, 9002327. */
function checkOrigin(platform: Platform, origin: string | undefined): void {
  if (platform === 'spa' && origin === undefined) throw new Refusal(9002327);
  if (platform !== 'spa' && origin !== undefined) throw new Refusal(9002326, { origin });
}

/** RFC 6749 section 2.3.1: the body, or HTTP Basic with both halves percent-encoded. */
export function readCredentials(call: Call, grant: string): Credentials & { clientId: string | undefined } {
  const form = readParameters(call);
  const [scheme, value = ''] = (call.headers.authorization ?? '').split(' ');
  const [id, secret] = scheme?.toLowerCase() === 'basic' ? decodeBasic(value) : [];
  return {
    clientId: form.get('client_id') ?? id,
    secret: form.get('client_secret') ?? secret,
    assertion: form.get('client_assertion') ?? undefined,
    assertionType: form.get('client_assertion_type') ?? undefined,
    grant,
  };
}

function decodeBasic(value: string): string[] {
  const pair = Buffer.from(value, 'base64').toString();
  const colon = pair.indexOf(':');
  try {
    return [pair.slice(0, colon), pair.slice(colon + 1)].map((half) => decodeURIComponent(half.replaceAll('+', ' ')));
  } catch {
    throw new Refusal(9002313, {}, { error: 'invalid_request' });
  }
}
