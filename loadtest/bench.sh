#!/usr/bin/env bash
# Peak figures with wrk, everything on this machine: `make bench`. What matters are the ratios to the first line, which
# is what HTTP alone costs here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

program=${PROGRAM:-target/release/flashsale}
address=127.0.0.1:${PORT:-18099}
connections=${CONNECTIONS:-64}
export ITEMS=${ITEMS:-99999}

command -v wrk >/dev/null || { echo 'install wrk first: apt-get install wrk' >&2; exit 1; }
data=$(mktemp -d)
output=$(mktemp)
LOG=warn "$program" local --data-dir "$data" --listen "$address" --sale-items "$ITEMS" >"$output" 2>&1 &
service=$!
trap 'kill -TERM $service 2>/dev/null; wait $service 2>/dev/null || true; rm -rf "$data" "$output"' EXIT
for _ in $(seq 300); do
    curl -sf "http://$address/sales/active" >/dev/null && break
    kill -0 $service 2>/dev/null || { cat "$output" >&2; exit 1; }
    sleep 0.1
done

measure() {
    local name=$1 seconds=$2
    shift 2
    printf '%-40s' "$name"
    wrk -t1 -c"$connections" -d"${seconds}s" --latency "$@" | tail -n 1
}
report=loadtest/wrk
measure 'GET /health/live' 3 -s $report/live.lua "http://$address"
measure 'GET /sales/active' 3 -s $report/active.lua "http://$address"
measure 'POST /api/purchase (durable)' 3 -s $report/buy_now.lua "http://$address"
measure 'POST /checkout (of what is not sold)' 3 -s $report/checkout.lua "http://$address"
measure 'POST /checkout (of what is sold)' 3 -s $report/sold.lua "http://$address"
DATA_DIR=$data "$program" verify
