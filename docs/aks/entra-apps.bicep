// The same two app registrations as entra-apps.sh, for those who deploy by Bicep, for one host and one broker: what it does
// not name it takes away. Never compiled here.
//   az deployment group create -g $RG -f docs/aks/entra-apps.bicep -p host=$HOST issuer=$ISSUER subject=$SUBJECT
// Needs the Microsoft Graph extension (public cloud only) and, to run, Application.ReadWrite.All.
extension microsoftGraphV1

@description('Host name of web-frontend, e.g. signin.example.com')
param host string

@description('OIDC issuer of the cluster, with its trailing slash')
param issuer string

@description('Subject of the token broker, e.g. system:serviceaccount:onbehalf:token-broker')
param subject string

var scopeId = '5a1c0ffe-0b0b-4000-8000-000000000001'
var roleId = '5a1c0ffe-0b0b-4000-8000-000000000002'
var graphAppId = '00000003-0000-0000-c000-000000000000'
var userReadId = 'e1fe6dd8-ba31-4d61-89e7-88639da4683d'
var audiences = ['api://AzureADTokenExchange']

resource api 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: 'onbehalf-api'
  displayName: 'onbehalf-api'
  signInAudience: 'AzureADMyOrg'
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: scopeId
        value: 'access_as_user'
        type: 'User'
        isEnabled: true
        adminConsentDisplayName: 'Call Onbehalf as the user'
        adminConsentDescription: 'Call the downstream API as the signed-in user.'
        userConsentDisplayName: 'Call Onbehalf as you'
        userConsentDescription: 'Call the downstream API as you.'
      }
    ]
  }
  appRoles: [
    {
      id: roleId
      value: 'Reports.Read'
      isEnabled: true
      allowedMemberTypes: ['Application']
      displayName: 'Read reports'
      description: 'Read reports as an application.'
    }
  ]
  optionalClaims: { accessToken: [{ name: 'idtyp' }, { name: 'xms_cc' }, { name: 'acrs' }] }
  requiredResourceAccess: [
    { resourceAppId: graphAppId, resourceAccess: [{ id: userReadId, type: 'Scope' }] }
  ]

  resource broker 'federatedIdentityCredentials@v1.0' = {
    name: '${api.uniqueName}/token-broker'
    issuer: issuer
    subject: subject
    audiences: audiences
  }
}

resource web 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: 'onbehalf-web'
  displayName: 'onbehalf-web'
  signInAudience: 'AzureADMyOrg'
  web: {
    redirectUris: ['https://${host}/auth/callback', 'https://${host}/']
    logoutUrl: 'https://${host}/auth/front-channel-logout'
    implicitGrantSettings: { enableIdTokenIssuance: false, enableAccessTokenIssuance: false }
  }
  optionalClaims: { idToken: [{ name: 'sid' }, { name: 'login_hint' }] }
  requiredResourceAccess: [
    { resourceAppId: api.appId, resourceAccess: [{ id: scopeId, type: 'Scope' }] }
  ]

  resource broker 'federatedIdentityCredentials@v1.0' = {
    name: '${web.uniqueName}/token-broker'
    issuer: issuer
    subject: subject
    audiences: audiences
  }
}

resource apiPrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: api.appId
}

resource webPrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: web.appId
}

// The API cannot know the web app before that exists, and Bicep cannot declare it twice: pre-authorize it afterwards
// with entra-apps.sh, which writes only what is missing, or let users consent.
output webId string = web.appId
output apiId string = api.appId
