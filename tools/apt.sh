# Installing what the distribution has. To be sourced, by a script with `set -eu`.

# apt_install WHAT INSTEAD PACKAGE...: installs packages, after saying so. Exits with what to do instead where it cannot.
apt_install() {
    what=$1
    instead=$2
    shift 2
    if ! command -v apt-get >/dev/null; then
        echo "$what is missing. $instead" >&2
        exit 1
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=sudo
    else
        echo "$what is missing, and installing it takes root. Run this once as root:" >&2
        echo "    apt-get update && apt-get install -y $*" >&2
        exit 1
    fi
    echo "Installing $what (${as_root:+$as_root }apt-get install $*)"
    $as_root apt-get update -q
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}
