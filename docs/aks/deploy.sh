#!/usr/bin/env bash
# Brings Onbehalf to AKS, from an empty resource group to a sign-in. Run it again after a failure, or after a change of the env
# file: what is there stays, what is missing is made. Every call is shown; the first that fails ends it.
#
#   docs/aks/deploy.sh             with my.env, a copy of docs/aks/env.example
#   docs/aks/deploy.sh --env FILE
#   docs/aks/deploy.sh --plan      shows what it would call; it reads, and writes nothing
#
# Needs az (signed in), kubectl, kubelogin, helm, docker with buildx, jq, openssl, envsubst.
set -euo pipefail
cd "$(dirname "$0")/../.."
plan=false env_file=my.env

while [ $# -gt 0 ]; do
  case $1 in
    --plan) plan=true ;;
    --env) env_file=${2:?--env needs a file}; shift ;;
    *) echo "unknown argument: $1" >&2; exit 2 ;;
  esac
  shift
done

say() { echo "$*" >&2; }
die() { say "$*"; exit 2; }

# ask COMMAND…: a call that only reads; shown, and run in a plan too.
ask() { say "? $*"; "$@"; }

# run COMMAND…: a call that writes; shown, and left out of a plan.
run() {
  if $plan; then say "would: $*"; else say "+ $*"; "$@"; fi
}

# have COMMAND…: whether what an az show names exists. az says 3 where it does not; anything else is a failure of the call.
have() {
  local code=0
  say "? $*"
  "$@" --output none 2>"$work/error" || code=$?
  case $code in
    0) return 0 ;;
    3) return 1 ;;
    *) cat "$work/error" >&2; die "stopped: $* ended with $code" ;;
  esac
}

# there COMMAND…: whether a kubectl get finds what it asks for. What makes it fails where that is not the reason.
there() {
  say "? $*"
  "$@" >/dev/null 2>&1
}

# value WHAT COMMAND…: one value of what exists; in a plan of what does not exist yet, its name.
value() {
  local what=$1
  shift
  if $plan && ! have "$@"; then echo "<$what>"; else ask "$@" --query "$what" --output tsv; fi
}

require() {
  local name
  for name in az kubectl kubelogin helm docker jq openssl envsubst; do
    command -v "$name" >/dev/null || die "$name is missing"
  done
  [ -f "$env_file" ] || die "$env_file is missing: cp docs/aks/env.example $env_file, and fill it in"
  set -a
  # shellcheck disable=SC1090
  . "$env_file"
  set +a
  for name in RG LOC AKS NS HOST ZONE ZONE_RG ACR REDIS VAULT CLUSTER PRIVATE KEYS MONITORING; do
    [ -n "${!name:-}" ] || die "$name is not set in $env_file"
  done
  if [ -z "${CERT_MANAGER_ISSUER:=}" ]; then
    [ -n "${CERTIFICATE:-}" ] || die "CERTIFICATE is not set in $env_file"
    [ -f "$CERTIFICATE" ] || die "CERTIFICATE: there is no file $CERTIFICATE"
  fi
  MORE_HOSTS=${MORE_HOSTS:-}
  [ -z "${VALUES:=}" ] || [ -f "$VALUES" ] || die "VALUES: there is no file $VALUES"
  one_of CLUSTER automatic standard
  one_of PRIVATE true false
  one_of KEYS kubernetes keyvault
  one_of MONITORING true false
  [[ $REDIS =~ ^[A-Za-z0-9]{1,60}$ ]] || die "REDIS may have letters and digits only"
}

one_of() {
  local name=$1 allowed
  shift
  for allowed in "$@"; do [ "${!name}" = "$allowed" ] && return; done
  die "$name must be one of: $*"
}

identity() { value "$2" az identity show --resource-group "$RG" --name "$1"; }

# make_identity NAME ACCOUNT: a managed identity that a ServiceAccount of the namespace is by federation.
make_identity() {
  have az identity show --resource-group "$RG" --name "$1" || run az identity create --resource-group "$RG" --name "$1" --location "$LOC"
  have az identity federated-credential show --resource-group "$RG" --identity-name "$1" --name "$2" ||
    run az identity federated-credential create --resource-group "$RG" --identity-name "$1" --name "$2" \
      --issuer "$ISSUER" --subject "system:serviceaccount:$NS:$2" --audiences api://AzureADTokenExchange
}

# assign ROLE SCOPE PRINCIPAL TYPE: Azure takes the same assignment twice.
assign() {
  run az role assignment create --role "$1" --scope "$2" --assignee-object-id "$3" --assignee-principal-type "$4" --output none
}

make_registry() {
  local provider
  for provider in ContainerService ContainerRegistry Cache KeyVault ManagedIdentity Monitor PolicyInsights; do
    run az provider register --namespace "Microsoft.$provider" --wait
  done
  run az group create --name "$RG" --location "$LOC" --output none
  have az acr show --resource-group "$RG" --name "$ACR" || run az acr create --resource-group "$RG" --name "$ACR" --sku Standard
  REG=$(value loginServer az acr show --resource-group "$RG" --name "$ACR")
}

make_cluster() {
  local shape=(--sku automatic)
  [ "$CLUSTER" = automatic ] || shape=(--network-plugin azure --network-plugin-mode overlay --network-dataplane cilium
    --enable-oidc-issuer --enable-workload-identity --enable-keda --enable-addons "azure-keyvault-secrets-provider,azure-policy")
  $PRIVATE && shape+=(--enable-private-cluster)
  have az aks show --resource-group "$RG" --name "$AKS" ||
    run az aks create --resource-group "$RG" --name "$AKS" --location "$LOC" --generate-ssh-keys "${shape[@]}"
  run az aks update --resource-group "$RG" --name "$AKS" --attach-acr "$ACR"
  run az aks update --resource-group "$RG" --name "$AKS" --enable-gateway-api
  # The DNS and TLS operator and the CSI driver, without the NGINX controller, which ends in November 2026.
  run az aks approuting enable --resource-group "$RG" --name "$AKS" --enable-kv --nginx None
  run az aks approuting gateway istio enable --resource-group "$RG" --name "$AKS"
  # Before the charts render PodMonitors: it brings their kind.
  if $MONITORING && [ "$(value azureMonitorProfile.metrics.enabled az aks show --resource-group "$RG" --name "$AKS")" != true ]; then
    run az aks update --resource-group "$RG" --name "$AKS" --enable-azure-monitor-metrics
  fi
  run az aks get-credentials --resource-group "$RG" --name "$AKS" --overwrite-existing
  run kubelogin convert-kubeconfig -l azurecli
  ISSUER=$(value oidcIssuerProfile.issuerUrl az aks show --resource-group "$RG" --name "$AKS")
  TENANT=$(ask az account show --query tenantId --output tsv)
  $plan || there kubectl get namespace "$NS" || run kubectl create namespace "$NS"
}

make_apps() {
  local host arguments=(--issuer "$ISSUER" --subject "system:serviceaccount:$NS:onbehalf-token-broker")
  for host in "$HOST" $MORE_HOSTS; do arguments+=(--host "$host"); done
  if $plan; then arguments=(--plan "${arguments[@]}"); fi
  ask docs/aks/entra-apps.sh "${arguments[@]}" >"$work/apps"
  # shellcheck disable=SC1091
  . "$work/apps"
  WEB_ID=${WEB_ID:-<onbehalf-web>} API_ID=${API_ID:-<onbehalf-api>}
  run az ad app permission admin-consent --id "$API_ID"
}

make_redis() {
  run az extension add --name redisenterprise --upgrade --yes
  make_identity id-redis onbehalf-token-broker
  local principal
  principal=$(identity id-redis principalId)
  have az redisenterprise show --resource-group "$RG" --cluster-name "$REDIS" ||
    run az redisenterprise create --resource-group "$RG" --cluster-name "$REDIS" --location "$LOC" --sku Balanced_B1 \
      --public-network-access Enabled --no-database
  have az redisenterprise database show --resource-group "$RG" --cluster-name "$REDIS" --database-name default ||
    run az redisenterprise database create --resource-group "$RG" --cluster-name "$REDIS" --port 10000 \
      --client-protocol Encrypted --clustering-policy EnterpriseCluster --eviction-policy NoEviction --access-keys-authentication Disabled
  have az redisenterprise database access-policy-assignment show --resource-group "$RG" --cluster-name "$REDIS" \
    --database-name default --access-policy-assignment-name tokenbroker ||
    run az redisenterprise database access-policy-assignment create --resource-group "$RG" --cluster-name "$REDIS" \
      --database-name default --access-policy-assignment-name tokenbroker --access-policy-name default \
      --object-id "$principal"
  RID=$(identity id-redis clientId)
  RHOST=$(value hostName az redisenterprise show --resource-group "$RG" --cluster-name "$REDIS")
}

make_vault() {
  have az keyvault show --resource-group "$RG" --name "$VAULT" ||
    run az keyvault create --resource-group "$RG" --name "$VAULT" --location "$LOC" --enable-rbac-authorization true
  VAULT_ID=$(value id az keyvault show --resource-group "$RG" --name "$VAULT")
  ZID=$(ask az network dns zone show --resource-group "$ZONE_RG" --name "$ZONE" --query id --output tsv)
  local me principal
  me=$(ask az ad signed-in-user show --query id --output tsv)
  assign "Key Vault Certificates Officer" "$VAULT_ID" "$me" User
  assign "Key Vault Secrets Officer" "$VAULT_ID" "$me" User
  # A new role takes minutes to be known.
  [ -n "$CERT_MANAGER_ISSUER" ] || have az keyvault certificate show --vault-name "$VAULT" --name signin ||
    again az keyvault certificate import --vault-name "$VAULT" --name signin --file "$CERTIFICATE"
  make_identity id-gateway gateway-tls
  GID=$(identity id-gateway clientId)
  principal=$(identity id-gateway principalId)
  assign "Key Vault Secrets User" "$VAULT_ID" "$principal" ServicePrincipal
  assign "DNS Zone Contributor" "$ZID" "$principal" ServicePrincipal
}

# again COMMAND…: tried for five minutes.
again() {
  local left=10
  until run "$@"; do
    left=$((left - 1))
    [ $left -gt 0 ] || die "stopped: $* failed for five minutes"
    sleep "${RETRY_SECONDS:-30}"
  done
}

make_images() {
  local service
  TAG=$(git rev-parse --short HEAD)
  run az acr login --name "$ACR"
  for service in web-frontend token-broker downstream-api; do
    run docker buildx build --push --platform linux/amd64 --file docker/Dockerfile --build-arg "SERVICE=$service" \
      --tag "$REG/$service:$TAG" .
  done
}

# key_ring NAME WITH_INDEX: keys are made once; nobody sees them, and no argument holds one.
key_ring() {
  local name=$1 file files=(current k1)
  if [ "$2" = index ]; then files+=(index); fi
  if [ "$KEYS" = kubernetes ]; then
    if ! $plan && there kubectl --namespace "$NS" get secret "$name"; then return; fi
  elif have az keyvault secret show --vault-name "$VAULT" --name "$name-current"; then return; fi
  (umask 077 && mkdir -p "$work/$name")
  for file in "${files[@]}"; do openssl rand -base64 32 | tr -d '\n' >"$work/$name/$file"; done
  printf k1 >"$work/$name/current"
  if [ "$KEYS" = kubernetes ]; then run kubectl --namespace "$NS" create secret generic "$name" --from-file "$work/$name"; return; fi
  # The current key last: it says that all are there.
  for file in k1 index current; do
    if [ -f "$work/$name/$file" ]; then
      again az keyvault secret set --vault-name "$VAULT" --name "$name-$file" --file "$work/$name/$file" --output none
    fi
  done
}

make_keys() {
  key_ring web-session none
  key_ring broker-sealing index
  if [ "$KEYS" = keyvault ]; then
    make_identity id-keys onbehalf-web-frontend
    make_identity id-keys onbehalf-token-broker
    KID=$(identity id-keys clientId)
    local principal
    principal=$(identity id-keys principalId)
    assign "Key Vault Secrets User" "$VAULT_ID" "$principal" ServicePrincipal
  fi
}

install() {
  local chart values=(-f charts/onbehalf/ci/aks-automatic-values.yaml -f "$work/values.yaml")
  [ "$CLUSTER" = automatic ] || values+=(--set global.networkPolicy.flavor=kubernetes)
  $MONITORING || values+=(--set global.metrics.podMonitor.enabled=false)
  if $PRIVATE; then values+=(-f docs/aks/private-values.yaml); fi
  if [ "$KEYS" = keyvault ]; then
    KV=$VAULT KID=$KID envsubst <docs/aks/key-vault-values.yaml >"$work/key-vault-values.yaml"
    values+=(-f "$work/key-vault-values.yaml")
  fi
  if [ -n "$CERT_MANAGER_ISSUER" ]; then
    envsubst <docs/aks/cert-manager-values.yaml >"$work/cert-manager-values.yaml"
    values+=(-f "$work/cert-manager-values.yaml")
  fi
  if [ -n "$MORE_HOSTS" ]; then
    # shellcheck disable=SC2016,SC2086
    jq -n '{global: {publicBaseUrl: "", publicBaseUrls: ($ARGS.positional | map("https://\(.)"))}}' --args "$HOST" $MORE_HOSTS >"$work/locations-values.yaml"
    values+=(-f "$work/locations-values.yaml")
  fi
  if [ -n "$VALUES" ]; then values+=(-f "$VALUES"); fi
  export HOST TENANT REG TAG WEB_ID API_ID ISSUER RHOST RID KV=$VAULT GID ZID
  envsubst <docs/aks/values.yaml >"$work/values.yaml"
  # Leaves first, or the umbrella's copies lack the library.
  for chart in web-frontend token-broker downstream-api onbehalf; do run helm dependency build "charts/$chart"; done
  run helm upgrade --install onbehalf charts/onbehalf --namespace "$NS" "${values[@]}" --wait --timeout 15m
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
require
make_registry
make_cluster
make_apps
make_redis
make_vault
make_images
make_keys
install
say "done: https://$HOST; prove it by section 6 of docs/aks/README.md"
