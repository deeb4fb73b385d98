import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { readOwnApp, tellOwnApp } from './own-app.ts';

describe('an app of your own behind the demo', () => {
  it('is an address or a folder', () => {
    assert.deepEqual(readOwnApp('http://localhost:4000'), { url: 'http://localhost:4000' });
    assert.deepEqual(readOwnApp('http://localhost:4000/'), { url: 'http://localhost:4000' });
    assert.deepEqual(readOwnApp('examples'), { folder: resolve('examples') });
    assert.equal(readOwnApp(undefined), undefined);
  });

  it('is told its name, which the JWT that it gets is for', () => {
    assert.match(
      tellOwnApp({ url: 'http://localhost:4000' }),
      /to http:\/\/localhost:4000\. Its name there is own-app/,
    );
  });

  const wrong: [app: string, sentence: RegExp][] = [
    ['http://localhost:4000/shop', /must be an origin, such as http:\/\/localhost:4000, without a path\.$/],
    ['http://user@localhost:4000', /must be an origin/],
    ['http://', /must be an origin/],
    ['localhost:4000', /^--app localhost:4000 is neither an address/],
    ['nowhere', /^--app nowhere is neither an address, such as http:\/\/localhost:4000, nor a folder\.$/],
    ['README.md', /nor a folder/],
  ];
  for (const [app, sentence] of wrong) {
    it(`is refused with a sentence: ${app}`, () => assert.throws(() => readOwnApp(app), { message: sentence }));
  }
});
