import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { grantedScope } from './granted-scope.ts';

const read = 'api://a/read';
const rows: [what: string, asked: string[], given: Parameters<typeof grantedScope>[1], granted: string][] = [
  ['nothing said is all that was asked', [read], {}, read],
  ["without MSAL's own", [read], { scope: `${read} openid profile offline_access`, id_token: 'i' }, read],
  ['with OpenID scopes that were asked', ['openid', read], { scope: read, id_token: 'i' }, `openid ${read}`],
  [
    'offline_access by the refresh token',
    ['openid', 'offline_access'],
    { scope: 'openid', refresh_token: 'r' },
    'openid offline_access',
  ],
  ['no offline_access without one', ['openid', 'offline_access'], { scope: 'openid' }, 'openid'],
  [
    'email only where it was asked',
    ['openid', 'profile'],
    { scope: 'profile openid email User.Read' },
    'openid profile',
  ],
  ['less than was asked', [read, 'api://a/write'], { scope: read }, read],
  ['not what was consented to before', [read], { scope: `${read} api://a/write` }, read],
  [
    'in the words that were asked',
    ['User.Read'],
    { scope: 'https://graph.microsoft.com/user.read openid' },
    'User.Read',
  ],
  ['what .default stands for', ['api://a/.default'], { scope: `${read} openid profile` }, read],
  [
    'what .default stands for, without anything of OpenID',
    ['api://a/.default'],
    { scope: `${read} openid profile email offline_access`, id_token: 'i', refresh_token: 'r' },
    read,
  ],
  [
    'what .default stands for beside OpenID scopes',
    ['openid', 'api://a/.default'],
    { scope: `${read} api://a/write`, id_token: 'i' },
    `openid ${read} api://a/write`,
  ],
  ['no openid without an ID token', ['openid', read], { scope: read }, read],
  ['all that was asked where nothing is said', ['openid', read], {}, `openid ${read}`],
  ['all that was asked where Entra names nothing', [read, 'api://a/write'], { scope: '' }, `${read} api://a/write`],
  [
    'asked in capitals',
    ['https://graph.microsoft.com/USER.READ', 'https://graph.microsoft.com/Mail.Read'],
    { scope: 'User.Read' },
    'https://graph.microsoft.com/USER.READ',
  ],
  ['.default where it is said', ['api://a/.default'], { scope: 'api://a/.default' }, 'api://a/.default'],
  ['as asked where Entra names nothing', [read], { scope: ' ' }, read],
];

describe('the granted scope is', () => {
  for (const [what, asked, given, granted] of rows) {
    it(what, () => assert.equal(grantedScope(asked, given), granted));
  }
});
