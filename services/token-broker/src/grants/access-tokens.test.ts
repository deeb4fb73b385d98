import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Fault } from '@onbehalf/node/core/fault';
import { type FakeIssuer, openIssuer } from '@onbehalf/node/core/keys/issuer.fake';
import { remoteAuthority } from '@onbehalf/node/core/keys/signing-keys';
import { decodeJwt } from 'jose';
import type { Client } from '../clients/clients.ts';
import { createAccessTokens } from './access-tokens.ts';

describe('access tokens of Entra', () => {
  let issuer: FakeIssuer;
  before(async () => {
    issuer = await openIssuer();
  });
  after(() => issuer[Symbol.asyncDispose]());

  function open() {
    const state = { nowMs: Date.now(), verified: 0, opened: [] as string[], endedAtSeconds: 0, person: '' };
    const tokens = createAccessTokens({
      openAuthority: (tenantId) => {
        state.opened.push(tenantId);
        const { keys, issuerOf } = remoteAuthority(issuer.origin, [tenantId]);
        return {
          issuerOf,
          keys: (header, token) => {
            state.verified += 1;
            return keys(header, token);
          },
        };
      },
      tombstones: {
        async refuseEnded(person, { issuedAtSeconds }) {
          state.person = person;
          if (issuedAtSeconds <= state.endedAtSeconds) throw new Fault('invalid_grant', 'signed out');
          return [];
        },
      },
      nowMs: () => state.nowMs,
    });
    return { state, find: tokens.find };
  }
  const client = (more: Partial<Client> = {}): Client => ({
    ...{ name: 'api', tenantId: issuer.tenant, clientId: issuer.audience, subjects: [], credentials: [] },
    ...{ grants: [], scopes: [], redirectUris: [], permissions: [] },
    ...more,
  });

  it('are verified once a minute, and not a moment after their end', async () => {
    const { state, find } = open();
    const token = issuer.user({ exp: Math.floor(state.nowMs / 1_000) + 90 });
    for (let i = 0; i < 5; i += 1) assert.equal((await find(client(), token))?.scp, 'access_as_user');
    assert.equal(state.verified, 1);
    state.nowMs += 60_001;
    assert.ok(await find(client(), token));
    assert.equal(state.verified, 2);
    state.nowMs += 100_000;
    assert.equal(await find(client(), token), undefined);
  });

  it('are remembered to their end and no longer, where that comes first', async () => {
    const { state, find } = open();
    const expSeconds = Math.floor(state.nowMs / 1_000) + 10;
    const token = issuer.user({ exp: expSeconds });
    assert.ok(await find(client(), token));
    state.nowMs = expSeconds * 1_000 - 1;
    await find(client(), token);
    assert.equal(state.verified, 1);
    state.nowMs = expSeconds * 1_000;
    await find(client(), token);
    assert.equal(state.verified, 2);
  });

  it('are of no other tenant than their client, whatever signed them', async () => {
    const { find } = open();
    const tid = randomUUID();
    assert.equal(await find(client(), issuer.user({ tid, iss: `${issuer.origin}/${tid}/v2.0` })), undefined);
  });

  it('are remembered for the client they are good for alone', async () => {
    const { find } = open();
    const token = issuer.user();
    assert.ok(await find(client(), token));
    assert.equal(await find(client({ clientId: randomUUID() }), token), undefined);
    assert.equal(await find(client({ tenantId: randomUUID() }), token), undefined);
  });

  it('are inactive from the sign-out of their person, remembered or not; those of an app are not', async () => {
    const { state, find } = open();
    const [token, app] = [issuer.user(), issuer.app()];
    assert.ok(await find(client(), token));
    state.endedAtSeconds = issuer.nowSeconds;
    assert.equal(await find(client(), token), undefined);
    const { oid, tid } = decodeJwt(token);
    assert.equal(state.person, `${oid}.${tid}`);
    assert.ok(await find(client(), app));
  });

  for (const tenantId of ['organizations', 'common']) {
    it(`may be of any tenant where the client serves ${tenantId}, each by its own issuer`, async () => {
      const { state, find } = open();
      const all = client({ tenantId });
      const tid = randomUUID();
      assert.equal((await find(all, issuer.user({ tid, iss: `${issuer.origin}/${tid}/v2.0` })))?.tid, tid);
      assert.equal(await find(all, issuer.user({ tid })), undefined);
      assert.equal(await find(all, issuer.user({ tid: undefined })), undefined);
      assert.deepEqual(state.opened, [tenantId], 'no tenant that a token names is asked for keys');
    });
  }

  it('are neither good nor bad while the keys cannot be fetched', async () => {
    issuer.answer(500);
    const unavailable = (error: unknown) => error instanceof Fault && error.code === 'unavailable';
    await assert.rejects(open().find(client(), issuer.user()), unavailable);
    issuer.answer(200);
    assert.ok(await open().find(client(), issuer.user()));
  });
});
