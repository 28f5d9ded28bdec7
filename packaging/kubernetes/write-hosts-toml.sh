#!/bin/sh
# write-hosts-toml.sh URL REGISTRY…: makes containerd on this node pull from these registries through the cache at URL, which
# the node has to reach: http://10.43.0.50:5000, http://localhost:30500, https://cache.example.com. Run it as root on each
# node, by cloud-init, Ansible or ssh; no restart is needed. It writes the same files every time.
#
# containerd reads them where its CRI plugin says config_path = "/etc/containerd/certs.d" (k3s and RKE2 write that folder
# themselves, from registries.yaml). While the cache does not answer, containerd asks the registry itself.
set -eu
[ $# -ge 2 ] || { echo "usage: write-hosts-toml.sh URL REGISTRY..." >&2; exit 64; }
certs=${CERTS_D:-/etc/containerd/certs.d}
url=$1
shift
for registry; do
  case $registry in
    docker.io) server=https://registry-1.docker.io ;;
    *) server=https://$registry ;;
  esac
  mkdir -p "$certs/$registry"
  cat >"$certs/$registry/hosts.toml.new" <<TOML
server = "$server"

[host."$url"]
capabilities = ["pull", "resolve"]
TOML
  mv "$certs/$registry/hosts.toml.new" "$certs/$registry/hosts.toml"
done
