// The alerts of charts/onbehalf/files/alerts.yaml as rule groups of Azure Monitor's managed Prometheus. Never compiled here.
//   az deployment group create -g $RG -f docs/aks/alerts.bicep -p workspaceId=$AMW_ID clusterName=$CLUSTER actionGroupId=$AG_ID
@description('Resource id of the Azure Monitor workspace that the cluster sends its metrics to')
param workspaceId string

@description('Name of the AKS cluster: only its series are looked at')
param clusterName string

@description('Resource id of the action group that is told; empty: alerts are only shown')
param actionGroupId string = ''

param location string = resourceGroup().location

var file = loadYamlContent('../../charts/onbehalf/files/alerts.yaml')
// Azure's severities are numbers, 0 the gravest.
var severities = {
  critical: 1
  warning: 2
  info: 4
}

resource groups 'Microsoft.AlertsManagement/prometheusRuleGroups@2023-03-01' = [
  for group in file.groups: {
    name: group.name
    location: location
    properties: {
      enabled: true
      clusterName: clusterName
      interval: 'PT1M'
      scopes: [workspaceId]
      rules: [
        for rule in group.rules: {
          alert: rule.alert
          expression: rule.expr
          for: 'PT${toUpper(rule.?for ?? '0m')}'
          severity: severities[rule.labels.severity]
          labels: rule.labels
          annotations: rule.annotations
          enabled: true
          resolveConfiguration: {
            autoResolved: true
            timeToResolve: 'PT10M'
          }
          actions: empty(actionGroupId) ? [] : [
            {
              actionGroupId: actionGroupId
            }
          ]
        }
      ]
    }
  }
]
