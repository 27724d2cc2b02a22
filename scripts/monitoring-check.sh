#!/usr/bin/env bash
# Prometheus's own tools check alerts and configuration, and a live run checks the dashboard. Arguments go to monitoring-check.ts.
# Where there is no prometheus, Debian's package is unpacked into a cache folder: nothing is installed, no service is started.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/mcp-worker-monitoring
  if [ ! -x "$cache/usr/bin/promtool" ]; then
    mkdir -p "$cache"
    (
      cd "$cache"
      apt-get -qq download prometheus 2>/dev/null || { apt-get update -qq && apt-get -qq download prometheus; }
      dpkg-deb -x prometheus_*.deb .
      rm prometheus_*.deb
    )
  fi
  PATH=$cache/usr/bin:$PATH
fi
rules=$(mktemp --suffix=.yml)
trap 'rm -f "$rules"' EXIT
promtool check config deploy/prometheus/prometheus.yml
promtool test rules deploy/prometheus/alerts.test.yml
# the alerts that guides suggest
for page in docs/guides/healthy-disk.md docs/guides/warm-models.md; do
  { printf 'groups:\n  - name: guide\n    rules:\n'; sed -n '/^```yaml$/,/^```$/{/^```/d;s/^/      /p}' "$page"; } >"$rules"
  promtool check rules "$rules"
done
untested=$(comm -23 <(sed -n 's/.*- alert: //p' deploy/prometheus/alerts.yml | sort -u) <(sed -n 's/.*alertname: //p' deploy/prometheus/alerts.test.yml | sort -u))
[ -z "$untested" ] || { echo "alerts without a test: $untested" >&2; exit 1; }
for alert in $(sed -n 's/.*- alert: //p' deploy/prometheus/alerts.yml); do
  grep -q "^| \`$alert\`" docs/troubleshooting.md || { echo "docs/troubleshooting.md has no row for $alert" >&2; exit 1; }
done
node=node_modules/.bin/node
$node scripts/grafana-dashboard.ts --check
$node scripts/monitoring-check.ts "$@"
