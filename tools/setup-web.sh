#!/bin/sh
# Installs what the tests of the page need: Node.js, Chromium, and the packages of tests/web. Silent if nothing is
# missing.
set -eu
cd "$(dirname "$0")/.."
. tools/apt.sh

node_min=18
if ! { command -v node && command -v npm; } >/dev/null; then
    apt_install Node.js "Install Node.js $node_min or later, with npm, and run this again." nodejs npm
fi
version=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
if [ "$version" -lt "$node_min" ]; then
    echo "Node.js is too old: $(node --version), and $node_min or later is needed. https://nodejs.org has newer ones." >&2
    exit 1
fi

if [ -z "${CHROMIUM:-}" ] && ! { [ -x /usr/bin/chromium ] || [ -x /usr/bin/chromium-browser ] || [ -x /usr/bin/google-chrome ]; }; then
    apt_install Chromium "Install Chromium, or name yours in the variable CHROMIUM, and run this again." chromium
fi

# npm records what it has installed: without a change there is nothing to do, and no network is needed.
installed=tests/web/node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ tests/web/package-lock.json -nt "$installed" ]; then
    echo "Installing the packages of tests/web (npm ci)"
    (cd tests/web && npm ci --ignore-scripts --loglevel=error)
fi
