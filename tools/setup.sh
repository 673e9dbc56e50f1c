#!/bin/sh
# Installs what cargo does not: the WebAssembly target and Redis. Silent if nothing is missing.
set -eu

# rustup installs the toolchain in rust-toolchain.toml by itself.
if ! command -v cargo >/dev/null; then
    echo "Rust is missing. Install it from https://rustup.rs and run this again." >&2
    exit 1
fi

if ! command -v cc >/dev/null; then
    echo "A C compiler is missing: Rust links with it. On Debian or Ubuntu: apt-get install build-essential" >&2
    exit 1
fi

target=wasm32-wasip2
if ! ls "$(rustc --print sysroot)/lib/rustlib/$target/lib/"libstd-*.rlib >/dev/null 2>&1; then
    echo "Installing the Rust target $target (rustup target add)"
    if ! { command -v rustup >/dev/null && rustup target add "$target"; }; then
        echo "rustup could not install $target; building it from the distribution's sources instead (a minute)"
        "$(dirname "$0")/build-wasm-std.sh"
    fi
fi

if ! command -v redis-server >/dev/null; then
    . "$(dirname "$0")/apt.sh"
    apt_install redis-server "Install Redis 7 or later and run this again." redis-server
fi

# Scripts that declare their needs in a first line came with Redis 7.
version=$(redis-server --version | sed 's/.* v=\([0-9]*\).*/\1/')
if [ "$version" -lt 7 ]; then
    echo "redis-server is too old: $(redis-server --version | cut -d ' ' -f 3), and 7 or later is needed." >&2
    echo "https://redis.io/docs/latest/operate/oss_and_stack/install/ has newer ones for every system." >&2
    exit 1
fi
