# Installs packages of the distribution. To be sourced by a script with `set -eu`.

# apt_install NAME ADVICE PACKAGE...: says that it installs NAME, and installs the packages. Exits with ADVICE where it
# cannot.
apt_install() {
    name=$1
    advice=$2
    shift 2
    if ! command -v apt-get >/dev/null; then
        echo "$name is missing. $advice" >&2
        exit 1
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=sudo
    else
        echo "$name is missing, and installing it takes root. Run this once as root:" >&2
        echo "    apt-get update && apt-get install -y $*" >&2
        exit 1
    fi
    echo "Installing $name (${as_root:+$as_root }apt-get install $*)"
    $as_root apt-get update -q
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}
