#!/usr/bin/env bash
# Measures peak figures with wrk, with everything on this machine: `make bench`. Compare each line with the first one,
# which is the cost of HTTP alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

program=${PROGRAM:-target/release/flashsale}
address=127.0.0.1:${PORT:-18099}
connections=${CONNECTIONS:-64}
export ITEMS=${ITEMS:-99999}

command -v wrk >/dev/null || { echo 'wrk is missing: install it with apt-get install wrk' >&2; exit 1; }
data=$(mktemp -d)
output=$(mktemp)
LOG=warn "$program" local --data-dir "$data" --listen "$address" --sale-items "$ITEMS" >"$output" 2>&1 &
service=$!
trap 'kill -TERM $service 2>/dev/null; wait $service 2>/dev/null || true; rm -rf "$data" "$output"' EXIT
is_ready() { curl -sf "http://$address/sales/active" >/dev/null; }
for _ in $(seq 300); do
    is_ready && break
    kill -0 $service 2>/dev/null || { cat "$output" >&2; exit 1; }
    sleep 0.1
done
is_ready || { echo 'the service showed no active sale within 30 s; its output:' >&2; cat "$output" >&2; exit 1; }

measure() {
    local name=$1 seconds=$2
    shift 2
    printf '%-40s' "$name"
    wrk -t1 -c"$connections" -d"${seconds}s" --latency "$@" | tail -n 1
}
scripts=loadtest/wrk
measure 'GET /health/live' 3 -s $scripts/live.lua "http://$address"
measure 'GET /sales/active' 3 -s $scripts/active.lua "http://$address"
measure 'POST /api/purchase (durable)' 3 -s $scripts/buy_now.lua "http://$address"
measure 'POST /checkout (available items)' 3 -s $scripts/checkout.lua "http://$address"
measure 'POST /checkout (sold items)' 3 -s $scripts/sold.lua "http://$address"
DATA_DIR=$data "$program" verify
