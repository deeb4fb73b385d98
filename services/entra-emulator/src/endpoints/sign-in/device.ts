import { randomInt } from 'node:crypto';
import { readScopes } from '../../directory/scopes.ts';
import * as pages from '../../pages/pages.ts';
import { Refusal } from '../../requests/aadsts.ts';
import { type Call, type HttpResponse, json, readParameters, requireParameter } from '../../requests/call.ts';
import { parseClaims } from '../../requests/claims-request.ts';
import type { Device } from '../../tokens/grant.ts';
import type { World } from '../../world.ts';
import type { Authorize } from './authorize.ts';
import { type Ending, grantBy } from './ending.ts';

/** People type it: no vowels, and no two letters that look alike. */
const letters = 'BCDFGHJKLMNPQRSTVWXZ';
const userCodeLength = 9;
const loginPath = '/devicelogin';

/**
 * The device code grant: a device shows a code, and a person types it in a browser and signs in there. RFC 8628; Learn:
 * "OAuth 2.0 device authorization grant flow".
 */
export class DeviceLogin {
  readonly #world: World;
  readonly #authorize: Authorize;

  constructor(world: World, authorize: Authorize) {
    this.#world = world;
    this.#authorize = authorize;
  }

  /** Gives a device its pair of codes. RFC 8628 section 3.2, and `message`, which MSAL shows. */
  begin(segment: string, { form }: Call): HttpResponse {
    const { directory, state, now, lifetimes, browserOrigin } = this.#world;
    const realm = directory.realm(segment);
    const client = directory.client(requireParameter(form, 'client_id'), realm);
    const requested = readScopes(this.#world, form, requireParameter(form, 'scope'), realm.tenant?.tid);
    const userCode = Array.from({ length: userCodeLength }, () => letters[randomInt(letters.length)]).join('');
    const device: Device = { realm, client, requested, userCode, expires: now() + lifetimes.device, used: false };
    const uri = `${browserOrigin}${loginPath}`;
    const body = {
      ...{ user_code: userCode, device_code: state.addDevice(device), verification_uri: uri },
      ...{ expires_in: lifetimes.device, interval: lifetimes.deviceInterval },
      message: `To sign in, use a web browser to open the page ${uri} and enter the code ${userCode} to authenticate.`,
    };
    return { ...json(200, body), outcome: 'ok' };
  }

  /** The page for the code; with a code, the sign-in. */
  enter(browser: string, call: Call): HttpResponse {
    const { state, now } = this.#world;
    const userCode = readParameters(call).get('user_code')?.trim().toUpperCase();
    if (call.method === 'GET' || !userCode) return pages.enterCode(loginPath);
    const device = state.deviceShowing(userCode);
    if (!device || device.grant || device.refused) return pages.enterCode(loginPath, new Refusal(70018).message);
    if (device.expires <= now()) return pages.enterCode(loginPath, new Refusal(70019).message);
    const { realm, client, requested } = device;
    const claims = parseClaims(undefined);
    return this.#authorize.start({ browser, realm, client, requested, claims, ending: endAt(device) }, call.ids);
  }
}

/** The device learns the outcome with its next request; the person sees a page. */
function endAt(device: Device): Ending {
  return {
    redirectUri: undefined,
    allow(session) {
      device.grant = grantBy(session, device.client, device.client.isFallbackPublicClient ? 'public' : 'web');
      return pages.deviceDone(device.client);
    },
    refuse(refusal, ids) {
      device.refused = true;
      return pages.problem(refusal, ids);
    },
  };
}
