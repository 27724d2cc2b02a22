#!/usr/bin/env bash
# Debian packages that the checks need, where they are missing: curl for the README's examples, PostgreSQL with pgvector for the vector index's
# engine, strace (records and breaks writes) and libfaketime (steps the clock) for the reliability suites.
set -euo pipefail
missing=()
command -v curl >/dev/null || missing+=(curl)
command -v strace >/dev/null || missing+=(strace)
compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(libfaketime)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
pgvector=$(compgen -G '/usr/share/postgresql/*/extension/vector.control' || true)
[ ${#missing[@]} -eq 0 ] && [ -n "$pgvector" ] && exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
[ ${#missing[@]} -eq 0 ] || apt-get install -y -qq --no-install-recommends "${missing[@]}"
bash "$(dirname "$0")/install-pgvector.sh"
