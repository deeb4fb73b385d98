#!/bin/sh
# Makes the Secrets that development needs, random, once: what exists stays. Usage: secrets.sh NAMESPACE
set -eu
namespace=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

key() { openssl rand -base64 32; }
missing() { ! kubectl -n "$namespace" get "$1" "$2" >/dev/null 2>&1; }

kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace"

if missing secret web-session; then
  printf k1 >"$work/current"
  key >"$work/k1"
  kubectl -n "$namespace" create secret generic web-session --from-file="$work/current" --from-file="$work/k1"
fi

if missing secret broker-sealing; then
  printf k1 >"$work/current"
  key >"$work/k1"
  key >"$work/index"
  kubectl -n "$namespace" create secret generic broker-sealing \
    --from-file="$work/current" --from-file="$work/k1" --from-file="$work/index"
fi

if missing secret dev-valkey; then
  openssl rand -hex 24 | tr -d '\n' >"$work/password"
  printf 'user default off\nuser token-broker on >%s ~ob:* &ob:* +@all -@dangerous +info\n' "$(cat "$work/password")" >"$work/users.acl"
  kubectl -n "$namespace" create secret generic dev-valkey --from-file="$work/password" --from-file="$work/users.acl"
fi

if missing secret dev-emulator-tls; then
  name=dev-entra-emulator
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$name" \
    -addext "subjectAltName=DNS:$name,DNS:$name.$namespace.svc,DNS:localhost,IP:127.0.0.1" \
    -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null
  kubectl -n "$namespace" create secret tls dev-emulator-tls --cert="$work/tls.crt" --key="$work/tls.key"
  kubectl -n "$namespace" delete configmap dev-emulator-ca --ignore-not-found
  kubectl -n "$namespace" create configmap dev-emulator-ca --from-file=ca.pem="$work/tls.crt"
fi
