// Where managed Prometheus keeps the metrics of the cluster, and the rule that sends them there: what
// `az aks update --enable-azure-monitor-metrics` makes besides the add-on.
param location string
param aksName string

resource aks 'Microsoft.ContainerService/managedClusters@2026-03-01' existing = {
  name: aksName
}

resource workspace 'Microsoft.Monitor/accounts@2023-04-03' = {
  name: '${aksName}-metrics'
  location: location
}

resource endpoint 'Microsoft.Insights/dataCollectionEndpoints@2022-06-01' = {
  name: '${aksName}-metrics'
  location: location
  kind: 'Linux'
  properties: {}
}

resource rule 'Microsoft.Insights/dataCollectionRules@2022-06-01' = {
  name: '${aksName}-metrics'
  location: location
  kind: 'Linux'
  properties: {
    dataCollectionEndpointId: endpoint.id
    dataSources: { prometheusForwarder: [{ name: 'prometheus', streams: ['Microsoft-PrometheusMetrics'], labelIncludeFilter: {} }] }
    destinations: { monitoringAccounts: [{ name: 'workspace', accountResourceId: workspace.id }] }
    dataFlows: [{ streams: ['Microsoft-PrometheusMetrics'], destinations: ['workspace'] }]
  }
}

resource sent 'Microsoft.Insights/dataCollectionRuleAssociations@2022-06-01' = {
  name: '${aksName}-metrics'
  scope: aks
  properties: { dataCollectionRuleId: rule.id }
}

output workspaceId string = workspace.id
