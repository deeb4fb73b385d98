import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openSystem } from '../kit/system/open.ts';

let session: string;
let assertion: string;
let ofWhoLeft: string;

const system = await openSystem({ name: 'broker-index', brokers: 2 });
after(() => system.close());

const signInAndAsk = async (broker: number, person: string) => {
  const token = await system.signIn(person, broker);
  return { token, given: String((await system.exchange(broker, token)).body.access_token) };
};
const refused = async (answer: Promise<{ status: number; body: Record<string, unknown> }>) => {
  const { status, body } = await answer;
  return [status, body.error];
};
const isReady = async (broker: number) => (await fetch(`${system.brokers[broker]?.admin}/readyz`)).ok;

/** A new index key is mounted, beside the sealing keys that there are, and the first broker of a rollout starts. */
async function replaceIndex(): Promise<void> {
  const file = join(system.stateDir, 'sealing', 'index');
  await writeFile(`${file}.new`, randomBytes(32).toString('base64'));
  await rename(`${file}.new`, file);
  system.brokers.push(await system.startBroker());
}

describe('a new index key signs everybody out', () => {
  it('takes effect when the first broker starts with it: the others answer 503, and are not ready', async () => {
    const gone = await signInAndAsk(0, 'bob');
    assert.equal((await system.post(0, '/oauth2/revoke', { token: gone.token })).status, 200);
    ofWhoLeft = gone.given;
    ({ token: session, given: assertion } = await signInAndAsk(0, 'alice'));
    for (const broker of [0, 1]) {
      assert.equal((await system.exchange(broker, session)).status, 200);
      assert.equal((await system.onBehalfOf(broker, assertion)).status, 200);
    }
    await replaceIndex();
    for (const broker of [0, 1]) {
      await system.until(async () => (await system.exchange(broker, session)).status === 503);
      assert.equal((await system.onBehalfOf(broker, assertion)).status, 503);
      assert.equal((await system.post(broker, '/oauth2/introspect', { token: session })).status, 503);
      assert.equal(await isReady(broker), false);
    }
  });

  it('ends all sessions, and refuses assertions of before, also of people who had left', async () => {
    assert.ok(await isReady(2));
    assert.deepEqual(await refused(system.exchange(2, session)), [400, 'invalid_grant']);
    assert.equal((await system.post(2, '/oauth2/introspect', { token: session })).body.active, false);
    assert.equal((await system.post(2, '/oauth2/revoke', { token: session })).status, 200);
    assert.deepEqual(await refused(system.onBehalfOf(2, assertion)), [400, 'invalid_grant']);
    assert.deepEqual(await refused(system.onBehalfOf(2, ofWhoLeft)), [400, 'invalid_grant']);
  });

  it('lets people sign in again at once', async () => {
    const { token, given } = await signInAndAsk(2, 'alice');
    assert.equal((await system.onBehalfOf(2, given)).status, 200);
    assert.deepEqual(await refused(system.onBehalfOf(2, assertion)), [400, 'invalid_grant']);
    assert.equal((await system.post(2, '/oauth2/revoke', { token })).status, 200);
    assert.deepEqual(await refused(system.onBehalfOf(2, given)), [400, 'invalid_grant']);
    assert.deepEqual(await system.immortalKeys(), []);
  });
});
