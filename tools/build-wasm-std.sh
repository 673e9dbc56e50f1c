#!/bin/sh
# Builds the standard library for wasm32-wasip2 into the active toolchain, on a machine with access to a Debian mirror
# and crates.io but not to the Rust release server. tools/setup.sh runs it if `rustup target add wasm32-wasip2` fails.
#
# The sources are Debian's rust-src of exactly the compiler's version, and the C library is wasi-libc from the same
# suite. They are unpacked in a temporary directory ($TMPDIR, about 1 GB while this runs) and not installed.
# rustup does not know of the result. To change to rustup's own later, delete lib/rustlib/wasm32-wasip2 in the toolchain
# (`rustc --print sysroot`) and run `rustup target add wasm32-wasip2`.
set -eu

target=wasm32-wasip2
say() { echo "build-wasm-std: $*" >&2; }
fail() {
    say "$*"
    say "Instead, run 'rustup target add $target' with access to the Rust release server."
    exit 1
}
ready() {
    say "$target is ready in $rustlib"
    rustc --version >/dev/null 2>&1 ||
        say "rustup still asks its server for it; 'rustup set auto-install disable' or RUSTUP_AUTO_INSTALL=0 stops that"
}

cd "$(dirname "$0")/.." # rust-toolchain.toml here names the toolchain, unless RUSTUP_TOOLCHAIN does
for tool in apt-get apt-cache dpkg flock; do
    command -v "$tool" >/dev/null || fail "$tool is missing: this works only on Debian and its relatives"
done
# With auto-install, rustup would first ask its server for the target in rust-toolchain.toml.
sysroot=$(RUSTUP_AUTO_INSTALL=0 rustc --print sysroot) || fail "there is no Rust toolchain that runs"
version=$(RUSTUP_AUTO_INSTALL=0 rustc --version | cut -d ' ' -f 2)
rustlib=$sysroot/lib/rustlib
[ -w "$rustlib" ] || fail "$rustlib may not be written to"

# One at a time for each toolchain; the others find the work done.
exec 9<"$rustlib"
flock 9
if ls "$rustlib/$target/lib/"libstd-*.rlib >/dev/null 2>&1; then ready && exit 0; fi

src=$rustlib/src/rust/library # where cargo looks for the sources
added_src=
tmp=$(mktemp -d)
cleanup() {
    rm -rf "$tmp" "$rustlib/$target.new"
    # The sources would be in the way of `rustup component add rust-src`.
    [ -z "$added_src" ] || { rm -rf "$src" && rmdir "$rustlib/src/rust" "$rustlib/src" 2>/dev/null; } || true
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# apt with separate lists, cache and sources. This is read after the machine's configuration: its proxy and passwords
# apply, its preferences and update hooks do not.
chmod 755 "$tmp" # apt downloads as another user
mkdir -p "$tmp/state" "$tmp/cache" "$tmp/debs" "$tmp/crate/src"
touch "$tmp/status" "$tmp/log"
cat >"$tmp/apt.conf" <<CONF
Dir::State "$tmp/state";
Dir::State::status "$tmp/status";
Dir::Cache "$tmp/cache";
Dir::Etc::SourceList "$tmp/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Default-Release "";
#clear APT::Update;
CONF
apt_fail() { cat "$tmp/log" >&2 && fail "$*"; }

# Tries every mirror of the machine. apt takes only what Debian signed.
options="arch=$(dpkg --print-architecture) target=Packages lang=none"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ ! -e "$keyring" ] || options="$options signed-by=$keyring"
sites=$(apt-get indextargets --no-release-info --format '$(SITE)' 'Created-By: Packages' | grep -v security | sort -u)
find_version() {
    for site in $sites; do
        for suite in trixie-backports trixie forky sid; do
            say "Looking for rust-src $version in $suite at $site"
            echo "deb [$options] $site $suite main" >"$tmp/sources.list"
            apt-get -c "$tmp/apt.conf" -qq update >>"$tmp/log" 2>&1 || continue
            # 1.95.0+dfsg1-2 is 1.95.0, and 1.95.0~beta.1 is not.
            found=$(apt-cache -c "$tmp/apt.conf" madison rust-src |
                awk -v v="$version" '!hit && (index($3, v "+") == 1 || index($3, v "-") == 1) { print $3; hit = 1 }')
            [ -z "$found" ] || return 0
        done
    done
    return 1
}
find_version || apt_fail "no mirror of this machine has Debian's rust-src $version"

say "Downloading rust-src $found and wasi-libc (50 MB)"
(cd "$tmp/debs" && apt-get -c "$tmp/apt.conf" -qq download "rust-src=$found" wasi-libc >>"$tmp/log" 2>&1) ||
    apt_fail "apt could not download them"

say "Unpacking them"
for deb in "$tmp"/debs/*.deb; do dpkg -x "$deb" "$tmp/unpacked"; done
libc=$tmp/unpacked/usr/lib/$target
[ -e "$libc/libc.a" ] || fail "the wasi-libc of $suite has nothing for $target"
if [ ! -e "$src" ]; then # otherwise they came with the toolchain
    added_src=yes
    mkdir -p "$src"
    cp -R "$tmp/unpacked/usr/src/rustc-$version/library/." "$src"
fi

say "Building the standard library for $target (one or two minutes)"
echo '#![no_std]' >"$tmp/crate/src/lib.rs"
printf '[package]\nname = "nothing"\nedition = "2024"\n[profile.release]\npanic = "abort"\n' >"$tmp/crate/Cargo.toml"
# RUSTC_BOOTSTRAP allows -Zbuild-std with a stable cargo, here only. LTO needs the bitcode.
unset CARGO_ENCODED_RUSTFLAGS
RUSTUP_AUTO_INSTALL=0 RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes cargo build --quiet --release \
    -Zbuild-std=std,panic_abort,proc_macro,test --target "$target" \
    --manifest-path "$tmp/crate/Cargo.toml" --target-dir "$tmp/target" || fail "the build failed"

# Moved in one step, so that half a library is never taken for a whole one.
new=$rustlib/$target.new
rm -rf "$new" "${rustlib:?}/$target"
mkdir -p "$new/lib/self-contained"
cp "$libc/crt1-command.o" "$libc/crt1-reactor.o" "$libc/libc.a" "$new/lib/self-contained"
rm "$tmp/target/$target/release/deps/"libnothing-*
cp "$tmp/target/$target/release/deps/"*.rlib "$new/lib"
mv "$new" "$rustlib/$target"
ready
