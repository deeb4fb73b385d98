import { randomInt } from 'node:crypto';
import { parseScope } from '../directory/scopes.ts';
import * as pages from '../pages/pages.ts';
import { Refusal } from '../requests/aadsts.ts';
import { type Answer, type Call, json, parametersOf } from '../requests/call.ts';
import { parseClaims } from '../requests/claims-request.ts';
import type { Device } from '../tokens/state.ts';
import type { World } from '../world.ts';
import type { createAuthorize } from './authorize.ts';
import { type Ending, grantBy } from './ending.ts';
import { required } from './grants.ts';

/** No vowels and nothing that looks like another: people type it. */
const letters = 'BCDFGHJKLMNPQRSTVWXZ';
const userCodeLength = 9;
const loginPath = '/devicelogin';

/**
 * The device code grant: a device shows a code, and a person types it in a browser and signs in there. RFC 8628; Learn:
 * "OAuth 2.0 device authorization grant flow".
 */
export function createDevice(world: World, authorize: ReturnType<typeof createAuthorize>) {
  const { directory, state, now, lifetimes, browserOrigin } = world;

  /** The device hears of the outcome when it asks next; the person sees a page. */
  const endingOf = (device: Device): Ending => ({
    redirectUri: undefined,
    allow(session) {
      device.grant = grantBy(session, device.client, device.client.isFallbackPublicClient ? 'public' : 'web');
      return pages.deviceDone(device.client);
    },
    refuse(refusal, ids) {
      device.refused = true;
      return pages.problem(refusal, ids);
    },
  });

  return {
    /** The device asks for a pair of codes. RFC 8628 section 3.2, and `message`, which MSAL shows. */
    begin(segment: string, { form }: Call): Answer {
      const realm = directory.realm(segment);
      const client = directory.client(required(form, 'client_id'), realm);
      const asked = parseScope(directory, required(form, 'scope'), realm.tenant?.tid);
      const userCode = Array.from({ length: userCodeLength }, () => letters[randomInt(letters.length)]).join('');
      const device: Device = { realm, client, asked, userCode, expires: now() + lifetimes.device, used: false };
      const uri = `${browserOrigin}${loginPath}`;
      const answer = {
        ...{ user_code: userCode, device_code: state.addDevice(device), verification_uri: uri },
        ...{ expires_in: lifetimes.device, interval: lifetimes.deviceInterval },
        message: `To sign in, use a web browser to open the page ${uri} and enter the code ${userCode} to authenticate.`,
      };
      return { ...json(200, answer), outcome: 'ok' };
    },
    /** The page for the code, and what becomes of it. */
    enter(browser: string, call: Call): Answer {
      const userCode = parametersOf(call).get('user_code')?.trim().toUpperCase();
      if (call.method === 'GET' || !userCode) return pages.enterCode(loginPath);
      const device = state.deviceFor(userCode);
      if (!device || device.grant || device.refused) return pages.enterCode(loginPath, new Refusal(70018).message);
      if (device.expires <= now()) return pages.enterCode(loginPath, new Refusal(70019).message);
      const { realm, client, asked } = device;
      const claims = parseClaims(undefined);
      return authorize.start({ browser, realm, client, asked, claims, ending: endingOf(device) }, call.ids);
    },
  };
}
