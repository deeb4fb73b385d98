import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { faultOf } from '../core/fault.fake.ts';
import { createWeb } from './fetch-web.ts';

const id = '11111111-1111-4111-8111-111111111111';

describe('signing in for any server', () => {
  it('refuses a stranger whose target is no address, as any', async () => {
    await using web = createWeb(
      {
        ...{ tenant: id, clientId: id, publicBaseUrl: 'https://app.test', keys: [randomBytes(32).toString('base64')] },
        ...{ broker: { url: 'http://127.0.0.1:9', assertion: '/run/token' }, authorityHost: 'http://127.0.0.1:9' },
      },
      {},
    );
    for (const url of ['//[', 'http://[', '//%', '*', '/hello']) {
      const request = Object.assign(new IncomingMessage(new Socket()), { url, method: 'GET' });
      await assert.rejects(web.requireSignIn(request), faultOf('login_required'), url);
    }
  });
});
