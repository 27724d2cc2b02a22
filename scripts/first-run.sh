#!/usr/bin/env bash
# What README.md promises, as a stranger would do it: start, submit, search, stop; its examples by curl; the plugin of your own.
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill -9 -- "$pid" 2>/dev/null || true; done
  rm -rf "$data"
}
trap cleanup EXIT
node=node_modules/.bin/node
worker=apps/worker/dist/main.js

wait_ready() { # port of the metrics
  for _ in $(seq 1 300); do
    if curl -fsS "http://127.0.0.1:$1/readyz" >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  echo "not ready after 60 s" >&2
  cat "$data/log" >&2
  exit 1
}

# 1. the README's first command, in a process group of its own
DATA_DIR="$data/data" setsid npx -y pnpm@12 start >"$data/log" 2>&1 &
group=$!
pids+=("-$group")
wait_ready 9090
$node $worker submit vector_index @examples/docs.json --wait >"$data/submitted.json"
grep -q '"status":"succeeded"' "$data/submitted.json"
$node $worker query vector_search '{"collection":"fiori-docs","text":"How do I deploy my app to Cloud Foundry?","k":3}' | tee "$data/hits.json" | head -c 200
echo
grep -qi 'deploy' "$data/hits.json"

# 2. the README's own commands
$node scripts/check-examples.ts --steps README.md >"$data/curl.sh"
bash -euo pipefail "$data/curl.sh" | tee "$data/curl.log"
grep -q '"status":"succeeded"' "$data/curl.log"
grep -q 'Share prices' "$data/curl.log"
grep -q '"id":"fiori-\|"id":"btp-' "$data/curl.log"
grep -q '^Usage: mcp-worker' "$data/curl.log"
curl -fsS http://localhost:9090/metrics >"$data/metrics"
grep -q '^mcp_worker_health 1' "$data/metrics"

# 3. Ctrl-C, which goes to the whole group: drained
kill -INT -- "-$group"
for _ in $(seq 1 150); do grep -q '"event":"stopped"' "$data/log" && break; sleep 0.2; done
grep -q '"exit_code":0,"event":"stopped"' "$data/log" || { echo 'Ctrl-C: not drained' >&2; tail -5 "$data/log" >&2; exit 1; }
wait "$group" || true

# 4. the plugin of your own: in a service of your own, and in ours by its configuration file
QUEUE_FILE="$data/embedded.db" $node examples/embedded.ts >/dev/null
DATA_DIR="$data/own" WORKER_CONFIG=examples/worker.config.ts API_PORT=8000 $node $worker start >"$data/log" 2>&1 &
pid=$!
pids+=("$pid")
wait_ready 9090
$node $worker submit word_count '{"texts":["durable by default","a joy to write against"]}' --wait >"$data/words.json"
grep -q '"words":5' "$data/words.json"
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
[ "$code" -eq 0 ] || { echo "SIGTERM: expected exit 0, got $code" >&2; tail -5 "$data/log" >&2; exit 1; }
echo 'first run ok'
