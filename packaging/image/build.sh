#!/usr/bin/env bash
# build.sh [OUT]: the image of Containerfile for amd64 and arm64, from what npm and Debian give and without another network.
# Needs `npm ci` done, and the Debian packages binutils, ca-certificates, libc6-arm64-cross and libstdc++6-arm64-cross
# (on arm64: libc6-amd64-cross and libstdc++6-amd64-cross). OUT (./image) then holds
#   entrepot-ARCH.tar   for `docker load`, `podman load`, `ctr images import`
#   entrepot.oci.tar    an OCI archive with one index of both, for skopeo and registries
#   digest              of that index: two builds of one commit have the same
# Without git, REVISION and SOURCE_DATE_EPOCH say what is built and when it was committed.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
source=$(dirname "$(dirname "$here")")
out=$(realpath -m "${1:-image}")
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$source/package.json")
revision=${REVISION:-$(git -C "$source" rev-parse HEAD 2>/dev/null || echo unknown)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

for arch in amd64 arm64; do "$here/rootfs.sh" $arch "$work/$arch.tar"; done
"$source/node_modules/.bin/node" "$here/assemble.ts" "$out" "$version" "$revision" "$SOURCE_DATE_EPOCH" \
  "amd64=$work/amd64.tar" "arm64=$work/arm64.tar"
echo "entrepot:$version $(cat "$out/digest")"
