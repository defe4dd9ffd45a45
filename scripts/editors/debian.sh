# Sourced by nvim.sh and vscode.sh: what cannot be had, and packages of the machine's own Debian.
# Expects `log`, a file, and `apt_lock`, a file that both name alike.

cannot() { printf '%s\n' "$*" >&2; exit 3; }

# Install a package where we are root.
install_package() {
    command -v apt-get >/dev/null || cannot "$1 is missing, and this is no Debian to install it from; install $1"
    [ "$(id -u)" = 0 ] || cannot "$1 is missing; install it: apt-get install $1"
    (
        flock 8 # apt-get does not wait for another one
        export DEBIAN_FRONTEND=noninteractive
        { apt-get -qq update && apt-get -y -qq --no-install-recommends install "$1"; } >>"$log" 2>&1
    ) 8>"$apt_lock" || cannot "$1 could not be installed by apt-get; the log is $log"
}
