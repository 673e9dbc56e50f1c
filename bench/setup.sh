#!/bin/sh
# Makes sure that what only the benchmark needs is there: wrk, and the Python peers in an environment of their own.
# Silent when all is.
set -eu
cd "$(dirname "$0")/.."
. tools/apt.sh

if ! command -v wrk >/dev/null; then
    apt_install wrk "Install wrk and run this again." wrk
fi
if ! { command -v python3 >/dev/null && python3 -c 'import ensurepip' 2>/dev/null; }; then
    apt_install "Python 3 with its module venv" "Install Python 3 with its module venv and run this again." python3-venv
fi

environment=target/bench/venv
installed=$environment/requirements.txt
if ! cmp -s bench/peers/requirements.txt "$installed"; then
    echo "Installing the peers into $environment (pip, a minute)"
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --requirement bench/peers/requirements.txt
    cp bench/peers/requirements.txt "$installed"
fi
