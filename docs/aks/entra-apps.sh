#!/usr/bin/env bash
# Makes the two app registrations of Onbehalf what they should be, and prints their client ids as `export` lines.
# A second run writes nothing. Needs az (signed in) and jq.
#
#   entra-apps.sh --host signin.example.com --issuer https://…/ --subject system:serviceaccount:onbehalf:onbehalf-token-broker
#   entra-apps.sh --plan …    says what it would write, and writes nothing
#   entra-apps.sh --delete    removes both
set -euo pipefail

graph=https://graph.microsoft.com/v1.0
web_name=onbehalf-web api_name=onbehalf-api
mode=apply host='' issuer='' subject=''

# Ids are unique within an app only, so they can be constants: that makes every run say the same.
scope_id=5a1c0ffe-0b0b-4000-8000-000000000001
role_id=5a1c0ffe-0b0b-4000-8000-000000000002
# Microsoft Graph and its delegated User.Read, the same in every tenant.
graph_app=00000003-0000-0000-c000-000000000000
user_read=e1fe6dd8-ba31-4d61-89e7-88639da4683d

while [ $# -gt 0 ]; do
  case $1 in
    --host) host=$2; shift ;;
    --issuer) issuer=$2; shift ;;
    --subject) subject=$2; shift ;;
    --plan) mode=plan ;;
    --delete) mode=delete ;;
    *) echo "unknown argument: $1" >&2; exit 2 ;;
  esac
  shift
done

say() { echo "$*" >&2; }

get() { az rest --method GET --url "$graph/$1" --output json; }

# write METHOD PATH BODY: a new object can take seconds to be known everywhere, so a failure is tried again.
write() {
  if [ "$mode" = plan ]; then say "would $1 $2: $3"; return; fi
  say "$1 $2"
  local attempt
  for attempt in 1 2 3 4 5 6; do
    if az rest --method "$1" --url "$graph/$2" --headers Content-Type=application/json --body "$3" --output json; then return; fi
    sleep "${RETRY_SECONDS:-$((attempt * 5))}"
  done
  say "gave up: $1 $2"
  return 1
}

# find_one COLLECTION FILTER FIELD: a field of the one object that fits; nothing if there is none.
find_one() {
  local found
  found=$(get "$1?\$filter=$2" | jq -r ".value[].$3")
  if [ "$(wc -w <<<"$found")" -gt 1 ]; then say "more than one of $1 fits: $2"; return 1; fi
  echo "$found"
}

# What is wanted is there already: objects by key, lists as sets.
# shellcheck disable=SC2016
fits='def fits($want): . as $have | if ($want | type) == "object"
    then all($want | to_entries[]; .key as $key | .value as $value | $have[$key]? | fits($value))
  elif ($want | type) == "array"
    then ($have | type) == "array" and ($have | length) == ($want | length) and all($want[]; . as $one | any($have[]; fits($one)))
  else $have == $want end; fits($want)'

# ensure PATH WANTED: patches the object unless it already is as wanted.
ensure() {
  if get "$1" | jq -e --argjson want "$2" "$fits" >/dev/null; then return; fi
  write PATCH "$1" "$2" >/dev/null
}

# app NAME: its object id; created if there is none.
app() {
  local id
  id=$(find_one applications "displayName eq '$1'" id)
  if [ -z "$id" ]; then
    id=$(write POST applications "$(jq -nc --arg name "$1" '{displayName: $name, signInAudience: "AzureADMyOrg"}')" | jq -r .id)
  fi
  echo "$id"
}

service_principal() {
  if [ -n "$(find_one servicePrincipals "appId eq '$1'" id)" ]; then return; fi
  write POST servicePrincipals "$(jq -nc --arg id "$1" '{appId: $id}')" >/dev/null
}

# federate OBJECT_ID: the broker stands for both apps, so both trust it. Issuer and subject count to the character.
federate() {
  local path=applications/$1/federatedIdentityCredentials wanted id
  wanted=$(jq -nc --arg issuer "$issuer" --arg subject "$subject" \
    '{name: "token-broker", issuer: $issuer, subject: $subject, audiences: ["api://AzureADTokenExchange"]}')
  id=$(get "$path" | jq -r '.value[] | select(.name == "token-broker") | .id')
  if [ -z "$id" ]; then write POST "$path" "$wanted" >/dev/null; return; fi
  if get "$path" | jq '.value[] | select(.name == "token-broker")' | jq -e --argjson want "$wanted" "$fits" >/dev/null; then return; fi
  write PATCH "$path/$id" "$(jq -c 'del(.name)' <<<"$wanted")" >/dev/null
}

if [ "$mode" = delete ]; then
  for name in "$web_name" "$api_name"; do
    id=$(find_one applications "displayName eq '$name'" id)
    if [ -n "$id" ]; then say "DELETE applications/$id ($name)"; az rest --method DELETE --url "$graph/applications/$id"; fi
  done
  exit
fi

for argument in host issuer subject; do
  if [ -z "${!argument}" ]; then say "--$argument is required"; exit 2; fi
done

api=$(app "$api_name")
web=$(app "$web_name")
if [ -z "$api" ] || [ -z "$web" ]; then say 'the rest depends on ids that do not exist yet'; exit; fi
api_id=$(get "applications/$api" | jq -r .appId)
web_id=$(get "applications/$web" | jq -r .appId)
service_principal "$api_id"
service_principal "$web_id"

ensure "applications/$api" "$(jq -nc --arg id "$api_id" --arg scope $scope_id --arg role $role_id \
  --arg graph $graph_app --arg read $user_read '{
  signInAudience: "AzureADMyOrg",
  identifierUris: ["api://\($id)"],
  api: {
    requestedAccessTokenVersion: 2,
    oauth2PermissionScopes: [{
      id: $scope, value: "access_as_user", type: "User", isEnabled: true,
      adminConsentDisplayName: "Call Onbehalf as the user", adminConsentDescription: "Call the downstream API as the signed-in user.",
      userConsentDisplayName: "Call Onbehalf as you", userConsentDescription: "Call the downstream API as you."
    }]
  },
  appRoles: [{
    id: $role, value: "Reports.Read", isEnabled: true, allowedMemberTypes: ["Application"],
    displayName: "Read reports", description: "Read reports as an application."
  }],
  optionalClaims: {accessToken: [{name: "idtyp"}, {name: "xms_cc"}, {name: "acrs"}]},
  requiredResourceAccess: [{resourceAppId: $graph, resourceAccess: [{id: $read, type: "Scope"}]}]
}')"

ensure "applications/$web" "$(jq -nc --arg host "$host" --arg api "$api_id" --arg scope $scope_id '{
  signInAudience: "AzureADMyOrg",
  web: {
    redirectUris: ["https://\($host)/auth/callback", "https://\($host)/"],
    logoutUrl: "https://\($host)/auth/front-channel-logout",
    implicitGrantSettings: {enableIdTokenIssuance: false, enableAccessTokenIssuance: false}
  },
  optionalClaims: {idToken: [{name: "sid"}, {name: "login_hint"}]},
  requiredResourceAccess: [{resourceAppId: $api, resourceAccess: [{id: $scope, type: "Scope"}]}]
}')"

# Only now is there a scope to be authorized for.
ensure "applications/$api" "$(jq -nc --arg web "$web_id" --arg scope $scope_id '{
  api: {
    knownClientApplications: [$web],
    preAuthorizedApplications: [{appId: $web, delegatedPermissionIds: [$scope]}]
  }
}')"

federate "$api"
federate "$web"

echo "export WEB_ID=$web_id"
echo "export API_ID=$api_id"
