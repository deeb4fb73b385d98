// The Azure resources that docs/aks/deploy.sh makes, for those who keep them as code. It finds them by their names and does the
// rest: app registrations, certificate, images, key rings, the charts. Never compiled or deployed by us: docs/aks/README.md says
// what its names were held against.
//   az group create -n $RG -l $LOC
//   az deployment group create -g $RG -f docs/aks/infra/main.bicep -p aksName=$AKS acrName=$ACR redisName=$REDIS vaultName=$VAULT \
//     ns=$NS zone=$ZONE zoneGroup=$ZONE_RG cluster=$CLUSTER private=$PRIVATE keys=$KEYS monitoring=$MONITORING
targetScope = 'resourceGroup'

param location string = resourceGroup().location
param aksName string
param acrName string
param redisName string
param vaultName string

@description('The namespace that the charts are installed in')
param ns string = 'onbehalf'

@description('The DNS zone of the host, which exists, and its resource group')
param zone string
param zoneGroup string

@allowed(['automatic', 'standard'])
param cluster string = 'automatic'

@description('The API server has an address of the network only')
param private bool = false

@description('keyvault: key rings are in the vault')
@allowed(['kubernetes', 'keyvault'])
param keys string = 'kubernetes'

@description('Managed Prometheus scrapes the pods')
param monitoring bool = true

var roles = {
  acrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
}
var audiences = ['api://AzureADTokenExchange']
var subject = 'system:serviceaccount:${ns}'

// What only AKS Standard has to be told: Automatic has all of it by itself.
var standard = cluster == 'automatic' ? {} : {
  dnsPrefix: aksName
  networkProfile: {
    networkPlugin: 'azure'
    networkPluginMode: 'overlay'
    networkDataplane: 'cilium'
    networkPolicy: 'cilium'
  }
  oidcIssuerProfile: { enabled: true }
  securityProfile: { workloadIdentity: { enabled: true } }
  workloadAutoScalerProfile: { keda: { enabled: true } }
  addonProfiles: {
    azureKeyvaultSecretsProvider: { enabled: true }
    azurepolicy: { enabled: true }
  }
}

resource aks 'Microsoft.ContainerService/managedClusters@2026-03-01' = {
  name: aksName
  location: location
  sku: { name: cluster == 'automatic' ? 'Automatic' : 'Base', tier: 'Standard' }
  identity: { type: 'SystemAssigned' }
  properties: union(standard, {
    agentPoolProfiles: [
      union({ name: 'systempool', mode: 'System', count: 3 }, cluster == 'automatic' ? {} : { vmSize: 'Standard_D4s_v5' })
    ]
    apiServerAccessProfile: { enablePrivateCluster: private }
    azureMonitorProfile: { metrics: { enabled: monitoring } }
    // The gateway, the DNS and TLS operator, and no NGINX controller, which ends in November 2026.
    ingressProfile: {
      gatewayAPI: { installation: 'Standard' }
      webAppRouting: {
        enabled: true
        nginx: { defaultIngressControllerType: 'None' }
        gatewayAPIImplementations: { appRoutingIstio: { mode: 'Enabled' } }
      }
    }
  })
}

resource acr 'Microsoft.ContainerRegistry/registries@2023-07-01' = {
  name: acrName
  location: location
  sku: { name: 'Standard' }
}

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(acr.id, aks.id, roles.acrPull)
  scope: acr
  properties: {
    principalId: aks.properties.identityProfile.kubeletidentity.objectId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPull)
  }
}

// Who may use Redis: the broker's ServiceAccount.
resource redisIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-redis'
  location: location

  resource broker 'federatedIdentityCredentials' = {
    name: 'onbehalf-token-broker'
    properties: { issuer: aks.properties.oidcIssuerProfile.issuerURL, subject: '${subject}:onbehalf-token-broker', audiences: audiences }
  }
}

resource redis 'Microsoft.Cache/redisEnterprise@2025-07-01' = {
  name: redisName
  location: location
  sku: { name: 'Balanced_B1' }
  properties: { publicNetworkAccess: 'Enabled', minimumTlsVersion: '1.2' }

  resource database 'databases' = {
    name: 'default'
    properties: {
      port: 10000
      clientProtocol: 'Encrypted'
      clusteringPolicy: 'EnterpriseCluster'
      // Evicting a session signs somebody out.
      evictionPolicy: 'NoEviction'
      accessKeysAuthentication: 'Disabled'
    }

    resource access 'accessPolicyAssignments' = {
      name: 'tokenbroker'
      properties: { accessPolicyName: 'default', user: { objectId: redisIdentity.properties.principalId } }
    }
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: vaultName
  location: location
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
  }
}

// Reads the certificate and writes the DNS record.
resource gatewayIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-gateway'
  location: location

  resource tls 'federatedIdentityCredentials' = {
    name: 'gateway-tls'
    properties: { issuer: aks.properties.oidcIssuerProfile.issuerURL, subject: '${subject}:gateway-tls', audiences: audiences }
  }
}

module dns 'dns.bicep' = {
  name: 'dns'
  scope: resourceGroup(zoneGroup)
  params: { zone: zone, principalId: gatewayIdentity.properties.principalId }
}

// Reads the key rings, where they are in the vault.
resource keysIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (keys == 'keyvault') {
  name: 'id-keys'
  location: location
}

// One after the other: an identity takes one new credential at a time.
@batchSize(1)
resource keysCredentials 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = [
  for account in (keys == 'keyvault' ? ['onbehalf-web-frontend', 'onbehalf-token-broker'] : []): {
    parent: keysIdentity
    name: account
    properties: { issuer: aks.properties.oidcIssuerProfile.issuerURL, subject: '${subject}:${account}', audiences: audiences }
  }
]

resource gatewayReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, 'id-gateway', roles.secretsUser)
  scope: vault
  properties: {
    principalId: gatewayIdentity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsUser)
  }
}

resource servicesRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (keys == 'keyvault') {
  name: guid(vault.id, 'id-keys', roles.secretsUser)
  scope: vault
  properties: {
    principalId: keysIdentity!.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsUser)
  }
}

module prometheus 'prometheus.bicep' = if (monitoring) {
  name: 'prometheus'
  params: { location: location, aksName: aks.name }
}
