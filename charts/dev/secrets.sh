#!/bin/sh
# Makes the Secrets that development needs, random, once: what exists stays.
#
#   secrets.sh NAMESPACE            makes them, and the namespace if there is none
#   secrets.sh --delete NAMESPACE   removes what it made; the namespace stays
set -eu
made_by=app.kubernetes.io/managed-by=secrets.sh

if [ "${1:-}" = --delete ]; then
  kubectl -n "${2:?usage: secrets.sh --delete NAMESPACE}" delete secret,configmap -l "$made_by"
  exit
fi
namespace=${1:?usage: secrets.sh NAMESPACE}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

key() { openssl rand -base64 32; }
missing() { ! kubectl -n "$namespace" get "$1" "$2" >/dev/null 2>&1; }

# create KIND… NAME --from-…: labelled, so that it can be removed.
create() {
  kubectl -n "$namespace" create "$@" --dry-run=client -o yaml | kubectl label --local -f - -o yaml "$made_by" |
    kubectl -n "$namespace" create -f -
}

kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace"

if missing secret web-session; then
  printf k1 >"$work/current"
  key >"$work/k1"
  create secret generic web-session --from-file="$work/current" --from-file="$work/k1"
fi

if missing secret broker-sealing; then
  printf k1 >"$work/current"
  key >"$work/k1"
  key >"$work/index"
  create secret generic broker-sealing --from-file="$work/current" --from-file="$work/k1" --from-file="$work/index"
fi

if missing secret dev-valkey; then
  openssl rand -hex 24 | tr -d '\n' >"$work/password"
  printf 'user default off\nuser token-broker on >%s ~ob:* &ob:* +@all -@dangerous +info\n' "$(cat "$work/password")" >"$work/users.acl"
  create secret generic dev-valkey --from-file="$work/password" --from-file="$work/users.acl"
fi

if missing secret dev-emulator-tls; then
  name=dev-entra-emulator
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$name" \
    -addext "subjectAltName=DNS:$name,DNS:$name.$namespace.svc,DNS:localhost,IP:127.0.0.1" \
    -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null
  create secret tls dev-emulator-tls --cert="$work/tls.crt" --key="$work/tls.key"
  kubectl -n "$namespace" delete configmap dev-emulator-ca --ignore-not-found
  create configmap dev-emulator-ca --from-file=ca.pem="$work/tls.crt"
fi
