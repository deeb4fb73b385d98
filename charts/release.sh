#!/usr/bin/env bash
# Packages the charts of a release: their images are those of the registry unless a deployer says otherwise.
#
#   charts/release.sh REGISTRY TAG FOLDER    e.g. ghcr.io/example/onbehalf v0.1.0 out
set -euo pipefail
registry=${1:?a registry} tag=${2:?a tag} folder=${3:?a folder}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$(dirname "$0")" "$work/charts"

# set_registry CHART REGISTRY: the one line of its values that says where images are.
set_registry() {
  local values=$work/charts/$1/values.yaml line='^    registry: ""$'
  [ "$(grep -c "$line" "$values")" = 1 ] || { echo "$1: not one line is global.image.registry" >&2; exit 1; }
  sed -i "s|$line|    registry: $2|" "$values"
}

for chart in web-frontend token-broker downstream-api; do set_registry "$chart" "$registry"; done
set_registry dev "$registry/dev"
# In the files, since Helm's own flags leave the charts inside an umbrella as they are.
sed -i -E "s|^(    )?version: .*|\1version: ${tag#v}|; s|^appVersion: .*|appVersion: $tag|" "$work"/charts/*/Chart.yaml
# Leaves first, or the umbrella's copies lack the library.
for chart in web-frontend token-broker downstream-api onbehalf dev; do
  helm dependency build "$work/charts/$chart" >&2
  helm package "$work/charts/$chart" --destination "$folder" >&2
  echo "$folder/$chart-${tag#v}.tgz"
done
