# What a person would type. Every target sets up what it needs; see tools/setup.sh.

.PHONY: up test check build setup

# Starts everything with demo products, and stays until Ctrl-C.
up: build
	@target/debug/devhost up

# Unit tests, contract tests, and the whole system on every runtime that is there.
test: build
	cargo test --locked --workspace

# Formatting, and lints on both targets.
check: setup
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	cargo clippy --locked --target wasm32-wasip2 -p store-component -p warehouse-component -p console-component -p word-count -p edge -- --deny warnings

build: setup
	@echo "Building the components (a minute or two the first time)"
	cargo build --locked --release --target wasm32-wasip2 -p store-component -p warehouse-component -p console-component -p word-count
	@echo "Building devhost and the sidecar (some minutes the first time)"
	cargo build --locked -p devhost -p stream-sidecar

setup:
	@tools/setup.sh
