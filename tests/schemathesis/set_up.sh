#!/bin/sh
# Installs Schemathesis, pinned, in a virtual environment of its own.
#
# Usage: tests/schemathesis/set_up.sh FOLDER
# Prints why and exits 1 where that is impossible: without Python, or without a package index.
set -eu

folder=$1
pinned=$(dirname "$0")/requirements.txt
if cmp -s "$pinned" "$folder/requirements.txt"; then
    exit 0
fi
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/pip" --quiet --disable-pip-version-check install --requirement "$pinned"
cp "$pinned" "$folder/requirements.txt"
