#!/usr/bin/env bash
# pgvector for the installed PostgreSQL, for tests: the distribution's package where it has one, else built from Debian's source package.
# Needs root and apt. TRUNK is the suite that the source comes from, from the same archive as the machine's own packages.
set -euo pipefail
trunk=${TRUNK:-trixie}
pg_config=$(ls -d /usr/lib/postgresql/*/bin/pg_config | sort -V | tail -1)
major=$("$pg_config" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
[ -f "$("$pg_config" --sharedir)/extension/vector.control" ] && exit 0
export DEBIAN_FRONTEND=noninteractive
if apt-cache show "postgresql-$major-pgvector" >/dev/null 2>&1; then
  apt-get install -y -qq --no-install-recommends "postgresql-$major-pgvector"
  exit 0
fi
command -v make >/dev/null && command -v gcc >/dev/null || apt-get install -y -qq --no-install-recommends make gcc libc6-dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work"/{parts,lists/partial,cache/archives/partial}
archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | grep -E '/debian/?$' | head -1)
printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$archive" "$trunk" >"$work/parts/source.list"
own=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/parts" -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache")
cd "$work"
apt-get "${own[@]}" -qq update
apt-get "${own[@]}" -qq -o APT::Sandbox::User=root source --download-only pgvector
# only the headers: installing the package would bring a whole clang
apt-get -qq -o APT::Sandbox::User=root download "postgresql-server-dev-$major"
dpkg -x postgresql-server-dev-*.deb headers
mkdir source && tar -xf pgvector_*.orig.tar.gz -C source --strip-components=1
make=(make -s -C source "PG_CONFIG=$pg_config" OPTFLAGS= with_llvm=no "PG_CPPFLAGS=-I$work/headers/usr/include/postgresql/$major/server")
"${make[@]}" -j2
"${make[@]}" install
