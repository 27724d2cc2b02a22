#!/usr/bin/env bash
# Debian packages that the checks need, where they are missing: curl for the README's examples, strace and libfaketime are not.
set -euo pipefail
missing=()
command -v curl >/dev/null || missing+=(curl)
[ ${#missing[@]} -eq 0 ] && exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}"
