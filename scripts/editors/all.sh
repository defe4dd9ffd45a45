#!/usr/bin/env bash
# Sets up Neovim and VS Code for the tests, beside each other: each waits for the network more than it computes.
# What cannot be had on this machine is told in a line, and its tests will be skipped; what should work and does not is an error.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Wait for an editor's set-up and tell how it ended.
finish() {
    local editor=$1 log=$2 code=0
    wait "$3" || code=$?
    case $code in
    0) ;;
    3) printf 'Left out: tests in %s. %s.\n' "$editor" "$(tail -n 1 "$log")" >&2 ;;
    *) printf '%s could not be set up for its tests:\n' "$editor" >&2 && tail -n 25 "$log" >&2 && exit 1 ;;
    esac
}

"$here/nvim.sh" >"$logs/nvim" 2>&1 &
nvim=$!
"$here/vscode.sh" >"$logs/vscode" 2>&1 &
vscode=$!
finish "Neovim" "$logs/nvim" "$nvim"
finish "VS Code" "$logs/vscode" "$vscode"
