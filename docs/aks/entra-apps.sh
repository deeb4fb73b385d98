#!/usr/bin/env bash
# Gives the two app registrations of Onbehalf what a deployment needs, and prints their client ids as `export` lines. What
# is there stays: a second deployment adds its own, and so do you by hand. A second run writes nothing. Needs az (signed
# in) and jq.
#
#   entra-apps.sh --host signin.example.com --issuer https://…/ --subject system:serviceaccount:onbehalf:onbehalf-token-broker
#   entra-apps.sh --host … --host intranet.example.com/shop …   for several public URLs
#   entra-apps.sh --issuer … --subject … --issuer … --subject … for several brokers: the first subject is of the first issuer
#   entra-apps.sh --prune …   also takes away reply URIs, and trust in brokers, that this call does not name
#   entra-apps.sh --plan …    says what it would write and what --prune would take away, and writes nothing
#   entra-apps.sh --delete    removes both
set -euo pipefail

graph=https://graph.microsoft.com/v1.0
web_name=onbehalf-web api_name=onbehalf-api
mode=apply prune=false hosts=() issuers=() subjects=()

# Ids are unique within an app only, so they can be constants: that makes every run say the same.
scope_id=5a1c0ffe-0b0b-4000-8000-000000000001
role_id=5a1c0ffe-0b0b-4000-8000-000000000002
# Microsoft Graph and its delegated User.Read, the same in every tenant.
graph_app=00000003-0000-0000-c000-000000000000
user_read=e1fe6dd8-ba31-4d61-89e7-88639da4683d

while [ $# -gt 0 ]; do
  case $1 in
    --host) hosts+=("${2:?--host needs a host}"); shift ;;
    --issuer) issuers+=("${2:?--issuer needs a URL}"); shift ;;
    --subject) subjects+=("${2:?--subject needs a subject}"); shift ;;
    --prune) prune=true ;;
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
  if [ "$mode" = plan ]; then say "would $1 $2${3:+: $3}"; return; fi
  say "$1 $2"
  local attempt
  for attempt in 1 2 3 4 5 6; do
    if az rest --method "$1" --url "$graph/$2" ${3:+--headers Content-Type=application/json --body "$3"} --output json; then return; fi
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

# What is wanted with what is there already: Graph replaces lists, and others have put theirs into them.
# shellcheck disable=SC2016
merged='def mark: if type == "object" then .id // .resourceAppId // .appId // .name else . end;
  def merge($want): . as $have | if ($want | type) == "object"
    then $want | with_entries(.key as $key | .value as $value | .value = ($have[$key]? | merge($value)))
  elif ($want | type) == "array"
    then ($have // []) as $list | [$list[] | mark] as $known
      | [$list[] | . as $one | [$want[] | select(mark == ($one | mark))][0] as $new
          | if ($new | type) == "object" then $one + ($one | merge($new)) else $one end]
        + [$want[] | select(mark as $mark | $known | index($mark) | not)]
  else $want end; merge($want)'

# ensure PATH WANTED [JQ]: patches the object unless it already has what is wanted. JQ changes the patch; $have is the object.
ensure() {
  local have patch
  have=$(get "$1")
  patch=$(jq -c --argjson want "$2" "$merged" <<<"$have" | jq -c --argjson have "$have" --argjson want "$2" "${3:-.}")
  if jq -e --argjson want "$patch" "$fits" <<<"$have" >/dev/null; then return; fi
  write PATCH "$1" "$patch" >/dev/null
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

# federate OBJECT_ID: a broker stands for both apps, so both trust it. Issuer and subject count to the character; a name is
# of one of the two, whoever gave it.
federate() {
  local path=applications/$1/federatedIdentityCredentials all at name wanted others id
  all=$(get "$path")
  others=$(jq -c '[.value[] | select(.name | test("^token-broker(-[0-9a-f]{12})?$"))]' <<<"$all")
  for at in "${!issuers[@]}"; do
    name=token-broker-$(printf '%s %s' "${issuers[at]}" "${subjects[at]}" | sha256sum | cut -c 1-12)
    wanted=$(jq -nc --arg name "$name" --arg issuer "${issuers[at]}" --arg subject "${subjects[at]}" \
      '{name: $name, issuer: $issuer, subject: $subject, audiences: ["api://AzureADTokenExchange"]}')
    others=$(jq -c --argjson one "$wanted" 'map(select(.issuer != $one.issuer or .subject != $one.subject))' <<<"$others")
    if jq -e --argjson one "$wanted" 'any(.value[]; .issuer == $one.issuer and .subject == $one.subject)' <<<"$all" >/dev/null; then continue; fi
    write POST "$path" "$wanted" >/dev/null
  done
  while read -r id name; do
    if [ -z "$id" ]; then continue; fi
    if $prune; then write DELETE "$path/$id" '' >/dev/null; else say "stays without --prune: trust in $name"; fi
  done < <(jq -r '.[] | "\(.id) \(.issuer) \(.subject)"' <<<"$others")
}

if [ "$mode" = delete ]; then
  for name in "$web_name" "$api_name"; do
    id=$(find_one applications "displayName eq '$name'" id)
    if [ -n "$id" ]; then say "DELETE applications/$id ($name)"; az rest --method DELETE --url "$graph/applications/$id"; fi
  done
  exit
fi

if [ ${#hosts[@]} -eq 0 ]; then say '--host is required'; exit 2; fi
if [ ${#issuers[@]} -eq 0 ]; then say '--issuer is required'; exit 2; fi
if [ ${#subjects[@]} -ne ${#issuers[@]} ]; then say '--subject is required, one for each --issuer'; exit 2; fi
for host in "${hosts[@]}"; do
  if ! [[ $host =~ ^[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9_.-]+)*$ ]]; then
    say "--host takes a host in lower case, with its path if it has one, as global.publicBaseUrls has it: $host"; exit 2
  fi
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

wanted_web=$(jq -nc --arg api "$api_id" --arg scope $scope_id '{
  signInAudience: "AzureADMyOrg",
  web: {
    redirectUris: [$ARGS.positional[] | "https://\(.)/auth/callback", "https://\(.)/"],
    logoutUrl: "https://\($ARGS.positional[0])/auth/front-channel-logout",
    implicitGrantSettings: {enableIdTokenIssuance: false, enableAccessTokenIssuance: false}
  },
  optionalClaims: {idToken: [{name: "sid"}, {name: "login_hint"}]},
  requiredResourceAccess: [{resourceAppId: $api, resourceAccess: [{id: $scope, type: "Scope"}]}]
}' --args "${hosts[@]}")
# A registration has one front-channel logout: the first deployment keeps it.
# shellcheck disable=SC2016
if $prune; then exact='.web = $want.web'; else exact='.web.logoutUrl = ($have.web.logoutUrl // $want.web.logoutUrl)'; fi
get "applications/$web" | jq -r --argjson want "$wanted_web" '(.web.redirectUris // []) - $want.web.redirectUris | .[]' |
  while read -r uri; do
    if $prune; then say "goes: $uri"; else say "stays without --prune: $uri"; fi
  done
ensure "applications/$web" "$wanted_web" "$exact"

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
