# What a person would type. Every target sets up what it needs; see tools/setup.sh.

.PHONY: up test test-all test-web screenshot chaos check bench build setup

# Starts everything with demo products, and stays until Ctrl-C. ARGS='--no-seed --listen 127.0.0.1:4000' and the like.
up: build
	@target/debug/devhost up $(ARGS)

# Unit tests, contract tests, and the whole system on every runtime that is there.
test: build
	@tools/docker-registry.sh
	cargo test --locked --workspace

# Every end-to-end test in every way: by the Redis trigger and over HTTP, with a bare Redis and with TLS and users.
test-all: build
	@tools/docker-registry.sh
	END_TO_END=all cargo test --locked -p tests --test end_to_end

# The page in a real browser, on every runtime that is there. What it looked like stays in target/web/screens.
test-web: build
	@tools/setup-web.sh
	cd tests/web && node --test console.test.mjs

# Makes docs/console.png, the picture in the README, anew.
screenshot: build
	@tools/setup-web.sh
	cd tests/web && node screenshot.mjs

# Formatting, lints on both targets, and what deploy/ holds.
check: setup
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	cargo clippy --locked --target wasm32-wasip2 -p store-component -p warehouse-component -p console-component -p word-count -p kit -- --deny warnings
	tools/check-deploy.sh

# Measures everything beside what else could do the same work, for most of an hour, and writes bench/report.md.
# devhost stays in its development profile, in which wasmtime is optimised enough: see bench/README.md.
# QUICK=1 takes two minutes, CHECK=1 fails where a ratio has become worse than bench/expected.toml says, EXPECT=1 writes
# that file, ONLY=http measures one part again, RUNTIME=spin or devhost measures on that one only, REPORT=1 measures
# nothing.
bench: build
	@bench/setup.sh
	@echo "Building the sidecar and the benchmark as they are released (some minutes the first time)"
	cargo build --locked --release -p stream-sidecar -p bench
	@target/release/bench $(if $(QUICK),--quick) $(if $(CHECK),--check) $(if $(EXPECT),--expect) \
		$(if $(ONLY),--only $(ONLY)) $(if $(RUNTIME),--runtime $(RUNTIME)) $(if $(REPORT),--report)

# The whole workspace's programs, so that the tests find the dependencies built with the same features.
build: setup
	@echo "Building the components (a minute or two the first time)"
	cargo build --locked --release --target wasm32-wasip2 -p store-component -p warehouse-component -p console-component -p word-count
	@echo "Building devhost and the sidecar (some minutes the first time)"
	cargo build --locked --workspace --bins

setup:
	@tools/setup.sh

# Orders while everything is killed, stopped, filled up and cut off: rounds of a minute each, with seeds of one's choice.
chaos: build
	CHAOS_MINUTES=$(MINUTES) CHAOS_SEED=$(SEED) cargo test --locked -p tests --test end_to_end -- chaos
