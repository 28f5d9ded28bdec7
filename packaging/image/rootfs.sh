#!/usr/bin/env bash
# rootfs.sh ARCH TAR: the root file system of the image for amd64 or arm64, as a tar with numeric owners and fixed times.
# Node.js and the application come from npm by the lock, the C libraries from Debian: those of this machine, or for the other
# architecture those of libc6-ARCH-cross and libstdc++6-ARCH-cross. Needs npm ci in the clone, binutils, ca-certificates.
set -euo pipefail
umask 022
arch=$1 tar=$(realpath -m "$2")
here=$(dirname "$(realpath "$0")")
source=$(dirname "$(dirname "$here")")
# Written into the tar for every file: two builds of one commit are equal.
epoch=${SOURCE_DATE_EPOCH:-0}

case $arch in
  amd64) cpu=x64 triplet=x86_64-linux-gnu ;;
  arm64) cpu=arm64 triplet=aarch64-linux-gnu ;;
  *) echo "rootfs.sh: $arch is neither amd64 nor arm64" >&2; exit 64 ;;
esac
libraries=(/lib/$triplet /usr/lib/$triplet /lib64 /lib)
[ "$(dpkg --print-architecture)" = "$arch" ] || libraries=(/usr/$triplet/lib)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
app=$root/usr/lib/entrepot
mkdir -p "$app" "$root"/{etc/entrepot,etc/ssl/certs,usr/bin,usr/share/doc/entrepot}

# The application, with what npm says it needs to run.
mkdir "$work/npm"
cp "$source"/{package.json,package-lock.json,.npmrc} "$work/npm"
(cd "$work/npm" && npm ci --omit=dev --os=linux --cpu=$cpu --prefer-offline --no-audit --no-fund --loglevel=error >&2)
rm -f "$work/npm/node_modules/.package-lock.json"
mv "$work/npm/node_modules" "$app"
runtime=$app/node_modules/node-linux-$cpu
mv "$runtime/bin/node" "$root/usr/bin/node"
mv "$runtime/LICENSE" "$root/usr/share/doc/entrepot/node.LICENSE"
rm -rf "$runtime" "$app/node_modules/.bin"
"$source/node_modules/.bin/tsc" --project "$source/tsconfig.build.json" --outDir "$app/dist"
cp "$source"/{package.json,LICENSE} "$app"
cp "$here/entrepot.js" "$root/usr/bin/entrepot"
cp "$here/healthcheck.js" "$app"
cp "$here/proxy.config.yaml" "$root/etc/entrepot"
chmod 755 "$root/usr/bin/entrepot"

# The shared libraries of node, and theirs.
find_library() {
  for folder in "${libraries[@]}"; do
    [ -e "$folder/$1" ] && { realpath "$folder/$1"; return; }
  done
  echo "rootfs.sh: $1 for $arch is not installed" >&2
  return 1
}
mkdir -p "$root/lib/$triplet"
interpreter=$(readelf -l "$root/usr/bin/node" | sed -n 's/.*program interpreter: \(.*\)]/\1/p')
mkdir -p "$root$(dirname "$interpreter")"
cp "$(find_library "$(basename "$interpreter")")" "$root$interpreter"
pending=("$root/usr/bin/node")
while [ ${#pending[@]} -gt 0 ]; do
  needed=$(readelf -d "${pending[0]}" | sed -n 's/.*(NEEDED).*\[\(.*\)]/\1/p')
  pending=("${pending[@]:1}")
  for name in $needed; do
    copy=$root/lib/$triplet/$name
    [ "$name" = "$(basename "$interpreter")" ] || [ -e "$copy" ] && continue
    cp "$(find_library "$name")" "$copy"
    pending+=("$copy")
  done
done
for package in libc6 libstdc++6 ca-certificates; do
  cp "/usr/share/doc/$package/copyright" "$root/usr/share/doc/entrepot/$package.copyright"
done

# What programs look up.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs"
printf '%s\n' 'root:x:0:0:root:/:/sbin/nologin' 'entrepot:x:65532:65532:entrepot:/data:/sbin/nologin' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'entrepot:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

pack() {
  tar --sort=name --format=gnu --mtime="@$epoch" --numeric-owner --file "$tar" "$@"
}
rm -f "$tar"
pack --create --owner=0 --group=0 --mode='u=rwX,go=rX' --directory "$root" .
mkdir -p "$work/own/data" "$work/shared/tmp"
pack --append --owner=65532 --group=65532 --mode=0700 --directory "$work/own" data
pack --append --owner=0 --group=0 --mode=1777 --directory "$work/shared" tmp
