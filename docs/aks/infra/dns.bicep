// Lets an identity write the records of a zone of this resource group.
param zone string
param principalId string

var contributor = 'befefa01-2a29-4197-83a8-272ff33ce314'

resource found 'Microsoft.Network/dnsZones@2018-05-01' existing = {
  name: zone
}

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(found.id, principalId, contributor)
  scope: found
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributor)
  }
}
