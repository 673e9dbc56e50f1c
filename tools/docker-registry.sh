#!/bin/sh
# Makes sure that there is a registry for images, to which the tests push the apps if Spin is installed: Debian's
# docker-registry, unpacked and not installed, since its package starts a service. Silent if nothing is missing.
set -eu
cd "$(dirname "$0")/.."

command -v spin >/dev/null || exit 0
folder=target/docker-registry
if command -v docker-registry >/dev/null || [ -x "$folder/usr/bin/docker-registry" ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "docker-registry is missing: the test that pushes the apps will be left out"
    exit 0
fi
echo "Unpacking docker-registry into $folder (apt-get download docker-registry)"
mkdir -p "$folder"
if ! (cd "$folder" && apt-get download -q docker-registry); then
    echo "That failed (after apt-get update it may work): the test that pushes the apps will be left out"
    exit 0
fi
dpkg-deb --extract "$folder"/docker-registry_*.deb "$folder"
