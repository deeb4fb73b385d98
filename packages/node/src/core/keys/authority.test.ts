import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { authorityHost, cloudOf, graphOrigins, isIssuerOf, issuersOf, tenant } from './authority.ts';

const tid = '11111111-1111-4111-8111-111111111111';
const other = '22222222-2222-4222-8222-222222222222';
const personal = '9188040d-6c67-4c5b-b112-36a304b66dad';

describe('the issuer of a discovery document', () => {
  const good: [document: string, tenantId: string, tid: string, issuer: string][] = [
    [`https://login.microsoftonline.com/${tid}/v2.0`, tid, tid, `https://login.microsoftonline.com/${tid}/v2.0`],
    [`https://login.microsoftonline.us/${tid}/v2.0`, tid, tid, `https://login.microsoftonline.us/${tid}/v2.0`],
    [`https://${tid}.ciamlogin.com/${tid}/v2.0`, tid, tid, `https://${tid}.ciamlogin.com/${tid}/v2.0`],
    [
      'https://login.microsoftonline.com/{tenantid}/v2.0',
      'organizations',
      other,
      `https://login.microsoftonline.com/${other}/v2.0`,
    ],
    [
      'https://login.microsoftonline.com/{tenantid}/v2.0',
      'common',
      personal,
      `https://login.microsoftonline.com/${personal}/v2.0`,
    ],
  ];
  for (const [document, tenantId, of, issuer] of good) {
    it(`${document} is that of ${tenantId}`, () => {
      assert.equal(issuersOf(document, tenantId)(of), issuer);
    });
  }

  const bad: [document: string, tenantId: string][] = [
    [`https://login.microsoftonline.com/${other}/v2.0`, tid],
    [`https://login.microsoftonline.com/${tid}/v2.0/`, tid],
    [`https://login.microsoftonline.com/${tid}/v1.0`, tid],
    [`https://login.microsoftonline.com/more/${tid}/v2.0`, tid],
    [`https://sts.windows.net/${tid}/`, tid],
    ['https://login.microsoftonline.com/{tenantid}/v2.0', tid],
    [`https://login.microsoftonline.com/${tid}/v2.0`, 'organizations'],
    [`https://accounts.example.com`, tid],
    [`https://contoso.b2clogin.com/${tid}/b2c_1_signin/v2.0/`, tid],
    [`urn:${tid}/v2.0`, tid],
    ['', tid],
  ];
  for (const [document, tenantId] of bad) {
    it(`${document || 'that is empty'} is not that of ${tenantId}`, () => {
      assert.throws(() => issuersOf(document, tenantId), /not the one of the configured tenant/);
    });
  }
});

describe('an authority', () => {
  it('may be of a cloud, an external tenant or a custom domain, and not of Azure AD B2C', () => {
    for (const host of [
      'https://login.microsoftonline.us',
      'https://contoso.ciamlogin.com',
      'https://login.contoso.com',
    ])
      assert.equal(authorityHost.parse(host), host);
    const { error } = authorityHost.safeParse('https://contoso.b2clogin.com');
    assert.match(error?.message ?? '', /must not be Azure AD B2C.*external tenant/);
  });

  it('has the Graph and the federation audience of its cloud', () => {
    const exchange = 'api://AzureADTokenExchange';
    const clouds: Record<string, [graph: string, audience: string]> = {
      'login.microsoftonline.com': ['https://graph.microsoft.com', exchange],
      'contoso.ciamlogin.com': ['https://graph.microsoft.com', exchange],
      'login.microsoftonline.us': ['https://graph.microsoft.us', `${exchange}USGov`],
      'login.usgovcloudapi.net': ['https://graph.microsoft.us', `${exchange}USGov`],
      'login.partner.microsoftonline.cn': ['https://microsoftgraph.chinacloudapi.cn', `${exchange}China`],
      'login.chinacloudapi.cn': ['https://microsoftgraph.chinacloudapi.cn', `${exchange}China`],
    };
    for (const [host, [graph, federationAudience]] of Object.entries(clouds)) {
      assert.deepEqual(cloudOf(`https://${host}`), { graph, federationAudience }, host);
    }
    assert.deepEqual([...graphOrigins].sort(), [...new Set(Object.values(clouds).map(([graph]) => graph))].sort());
  });

  it('stands for one tenant by its GUID, or for many by a word', () => {
    assert.deepEqual(
      [tid.toUpperCase(), 'organizations', 'common'].map((one) => tenant.parse(one)),
      [tid, 'organizations', 'common'],
    );
    for (const one of ['consumers', 'contoso.onmicrosoft.com', '']) assert.equal(tenant.safeParse(one).success, false);
  });
});

describe('an iss', () => {
  const host = 'https://login.contoso.com';
  it('is the tenant’s at the authority’s host or at that of an external tenant, and nobody else’s', () => {
    assert.ok(isIssuerOf(`${host}/${tid}/v2.0`, host, tid));
    assert.ok(isIssuerOf(`https://${tid}.ciamlogin.com/${tid}/v2.0`, host, tid));
    assert.ok(isIssuerOf(`${host}/${personal}/v2.0`, host, 'common'));
    for (const iss of [
      `${host}/${other}/v2.0`,
      `https://elsewhere.example/${tid}/v2.0`,
      `https://${other}.ciamlogin.com/${tid}/v2.0`,
      `${host}/common/v2.0`,
      `${host}/${tid}`,
      '',
    ]) {
      assert.equal(isIssuerOf(iss, host, tid), false, iss);
    }
    assert.equal(isIssuerOf(`${host}/organizations/v2.0`, host, 'organizations'), false);
  });
});
