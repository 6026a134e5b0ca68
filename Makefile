# What people type, and what CI types. `make help` lists it.

# Build from the committed .sqlx, whatever database the environment or a .env file names.
export SQLX_OFFLINE := true

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
DATA_DIR ?= $(shell if [ "$$(id -u)" = 0 ]; then echo /var/lib/flashsale; \
	else echo "$${XDG_STATE_HOME:-$$HOME/.local/state}/flashsale"; fi)
COMPOSE ?= docker compose
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run bench test test-otlp check fmt fmt-check lint deny monitoring-check prepare stores watchers \
	realistic-test realistic-test-light realistic-test-heavy realistic-test-stress rush-test loadtest \
	engine up down logs monitoring-up monitoring-down db-shell redis-cli clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- On this machine

run: stores ## Build, then serve with a private Redis and PostgreSQL (ARGS="--fresh" begins anew)
	cargo build --release --locked
	@DATA_DIR='$(DATA_DIR)' exec '$(TARGET_DIR)/release/flashsale' local $(ARGS)

db-shell: ## psql into the PostgreSQL of the running service
	@url="$$($(call url_of,postgres))" && exec psql "$$url"

redis-cli: ## redis-cli into the Redis of the running service
	@url="$$($(call url_of,redis))" && exec redis-cli --no-auth-warning -u "$$url"

# Shell code that prints where a store listens, or says why it cannot.
url_of = sed -n 's/.*"$(1)":{[^}]*"url":"\([^"]*\)".*/\1/p' '$(DATA_DIR)/local.json' 2>/dev/null | grep . \
	|| { echo 'not running: no $(DATA_DIR)/local.json (start it with make run, or name its DATA_DIR)' >&2; exit 1; }

clean: ## Delete what was built; the data stay in DATA_DIR
	cargo clean

bench: stores ## Measure peak figures with wrk against a service of its own
	@command -v wrk >/dev/null || { echo 'install wrk first: apt-get install wrk' >&2; exit 1; }
	cargo build --release --locked
	@PROGRAM='$(TARGET_DIR)/release/flashsale' loadtest/bench.sh

# --- Under load: the service at BASE_URL, else a private one. USERS, RATE, DURATION, SEED, GOAL_P99 and ITEMS change
# what is tested; the report is below loadtest/results.

realistic-test: loadtest ## Load test: 400 shoppers for 5 minutes (BASE_URL=http://host:port tests a running service)
	@'$(LOADTEST)' realistic

realistic-test-light: loadtest ## The same with 200 shoppers for 2 minutes
	@'$(LOADTEST)' realistic-light

realistic-test-heavy: loadtest ## The same with 800 shoppers for 10 minutes
	@'$(LOADTEST)' realistic-heavy

realistic-test-stress: loadtest ## The same with 1,500 shoppers for 15 minutes
	@'$(LOADTEST)' realistic-stress

rush-test: loadtest ## Load test: everybody comes at once, until the sale is sold out (RATE=2000 arrivals a second)
	@'$(LOADTEST)' rush

LOADTEST = $(TARGET_DIR)/release/loadtest

# Two builds: built together, the service would get features of libraries that only the load test asks for.
loadtest: $(if $(BASE_URL),,stores)
	cargo build --release --locked
	cargo build --release --locked --package loadtest

# --- What a change must pass

check: fmt-check lint deny monitoring-check test test-otlp ## What a change must pass

test: stores watchers ## Run every test, against a Redis, PostgreSQL and Prometheus that the tests start themselves
	cargo test --workspace

test-otlp: stores ## Run the tests of what is built with the feature otlp alone
	cargo test --features otlp --test it -- export:: tracing::

lint: ## Clippy, warnings are errors
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --all-targets --all-features -- -D warnings

fmt: ## Format the code
	cargo fmt --all

fmt-check: ## Say what `make fmt` would change
	cargo fmt --all --check

deny: ## Check licences, sources and unwanted crates of the dependencies
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --log-level error check bans licenses sources

# Debian's amtool is too old for url_file.
monitoring-check: watchers ## Check the configuration and rules of Prometheus, and that each alert fires when it should
	promtool check config --lint=all --lint-fatal monitoring/prometheus/prometheus.yml
	promtool check rules --lint=all --lint-fatal monitoring/prometheus/*.rules.yml
	promtool test rules monitoring/prometheus/*.test.yml
	@sed 's|url_file: .*|url: http://127.0.0.1/|' monitoring/alertmanager/alertmanager.yml | amtool check-config

prepare: stores ## Refresh .sqlx after a change of a query or a migration
	@cargo sqlx --version 2>/dev/null | grep -q ' 0\.9\.' || cargo install --locked sqlx-cli --version '^0.9' \
		--no-default-features --features postgres
	@$(with_postgres) cargo sqlx migrate run && cargo sqlx prepare --workspace -- --all-targets

# Shell code that starts a throw-away PostgreSQL, reached over a socket in its own directory, and names it in
# DATABASE_URL. Not `flashsale local`: that does not build while a changed query is not in .sqlx.
define with_postgres
set -eu; \
bin="$$(dirname "$$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)")"; \
dir="$$(mktemp -d)"; as=""; \
if [ "$$(id -u)" = 0 ]; then chown postgres "$$dir"; as="setpriv --reuid postgres --regid postgres --clear-groups"; fi; \
trap '$$as "$$bin/pg_ctl" stop -D "$$dir/data" -m immediate >/dev/null || true; rm -rf "$$dir"' EXIT; \
trap 'exit 130' INT TERM; \
$$as "$$bin/initdb" -D "$$dir/data" -U flashsale -A trust -E UTF8 --locale=C --no-sync >/dev/null; \
$$as "$$bin/pg_ctl" start -w -s -D "$$dir/data" -l "$$dir/log" \
	-o "-c listen_addresses= -c unix_socket_directories=$$dir -c fsync=off"; \
export DATABASE_URL="postgres:///postgres?host=$$dir&user=flashsale" SQLX_OFFLINE=false;
endef

# --- In containers (secrets in .env, see .env.example)

# Says what is missing, rather than what Docker makes of it.
engine:
	@docker info >/dev/null 2>&1 && $(COMPOSE) version >/dev/null 2>&1 || { \
		echo 'needs a running Docker engine with its compose plugin; without containers: make run' >&2; exit 1; }

up: engine ## Build and start everything in containers
	$(COMPOSE) up --build --detach --wait

down: engine ## Stop the containers; the data stay in their volumes
	$(COMPOSE) down

logs: engine ## Follow the logs of the containers
	$(COMPOSE) logs --follow --tail 100

MONITORING := $(COMPOSE) --env-file .env --file monitoring/docker-compose.yml

monitoring-up: engine ## Start Prometheus, Alertmanager and Grafana beside the containers of `make up`
	@docker network inspect flashsale_default >/dev/null 2>&1 || { echo 'start the service first: make up' >&2; exit 1; }
	$(MONITORING) up --detach --wait
	@grep -qs '^ALERT_WEBHOOK_URL=.' .env || echo 'nobody is told of alerts: set ALERT_WEBHOOK_URL in .env'
	@echo 'Grafana: http://127.0.0.1:3000 (admin, GRAFANA_PASSWORD)  Prometheus: http://127.0.0.1:9090'

monitoring-down: engine ## Stop them; the measurements stay in their volumes
	$(MONITORING) down

# --- What must be installed

STORES := redis-server=redis-server postgres=postgresql
WATCHERS := prometheus=prometheus promtool=prometheus prometheus-redis-exporter=prometheus-redis-exporter \
	prometheus-postgres-exporter=prometheus-postgres-exporter amtool=prometheus-alertmanager

stores: ## Install redis-server and postgresql when they are missing
	@$(call install,$(STORES))

watchers: ## Install Prometheus and its exporters when they are missing
	@$(call install,$(WATCHERS))

# Shell code that installs the packages of those programs that are missing: $(call install,program=package ...).
# While apt runs, policy-rc.d keeps it from starting any of them as services of the system.
define install
missing=""; \
for pair in $(1); do \
	program="$${pair%%=*}"; package="$${pair#*=}"; \
	command -v "$$program" >/dev/null || ls /usr/lib/postgresql/*/bin/"$$program" >/dev/null 2>&1 || \
		case " $$missing " in *" $$package "*) ;; *) missing="$$missing $$package" ;; esac; \
done; \
[ -n "$$missing" ] || exit 0; \
sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
if ! command -v apt-get >/dev/null || ! $$sudo true 2>/dev/null; then \
	echo "Missing:$$missing. Install with: sudo apt-get install$$missing (or the like of your system), then try again." >&2; \
	exit 1; \
fi; \
echo "Installing$$missing with apt-get"; \
policy=/usr/sbin/policy-rc.d; \
if [ ! -e "$$policy" ]; then \
	trap '$$sudo rm -f "$$policy"' EXIT; trap 'exit 130' HUP INT TERM; \
	printf '#!/bin/sh\nexit 101\n' | $$sudo tee "$$policy" >/dev/null; $$sudo chmod 755 "$$policy"; \
fi; \
log="$$(mktemp)"; apt="$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"; \
if { $$apt update && $$apt install -y --no-install-recommends $$missing; } >"$$log" 2>&1; then \
	rm -f "$$log"; \
else \
	tail -n 20 "$$log" >&2; \
	echo "apt-get failed ($$log). Install by hand: apt-get install$$missing" >&2; \
	exit 1; \
fi
endef
