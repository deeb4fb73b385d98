import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isAllowed, licencePage, productionLicences, writtenPage } from '../../tools/licences.ts';

describe('the packages of the production images', () => {
  const licences = productionLicences();

  it('have licences that ask for nothing but their notice', () => {
    assert.deepEqual(
      licences.filter(({ licence }) => !isAllowed(licence)),
      [],
    );
  });

  it('are those that docs/licences.md lists: npm run licences', () => {
    assert.ok(licences.some(({ name }) => name === '@azure/msal-node'));
    assert.equal(writtenPage(), licencePage(licences));
  });
});
