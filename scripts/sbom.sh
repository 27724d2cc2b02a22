#!/usr/bin/env bash
# Bills of materials in CycloneDX, from the lockfile: one for each published package, one for the deployable service.
#   bash scripts/sbom.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?expected the folder to write to}
mkdir -p "$folder"
sbom() { pnpm sbom --lockfile-only --prod --sbom-format cyclonedx --sbom-spec-version 1.6 --split --out "$folder/%s-%v.cdx.json" "$@" >/dev/null; }
sbom --filter './packages/*' --filter '!@mcp-worker/test-servers'
sbom --filter @mcp-worker/worker --sbom-type application
ls "$folder"
