#!/bin/sh
# render.sh HELM: writes entrepot.yaml, the manifests of the chart with its own values, for those who do not use Helm.
set -eu
here=$(dirname "$(readlink -f "$0")")
{
  cat <<'YAML'
# Made by render.sh from packaging/helm/entrepot: change that. Set the image and the size of the claim to yours, then
#   kubectl apply -f entrepot.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: entrepot
  labels:
    pod-security.kubernetes.io/enforce: restricted
YAML
  "$1" template entrepot "$here/../helm/entrepot" --namespace entrepot | grep -v '^# Source:'
} >"$here/entrepot.yaml"
