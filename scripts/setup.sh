# Sourced by demo, test and check: puts a virtual environment with dsassist into .venv, once.
# Needs Python >= 3.10, a C++ compiler and git. PYTHON=... chooses the interpreter.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
stop() { printf '%s\n' "$*" >&2; exit 2; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    stop "No Python 3.10 or newer was found. Install one (Debian: apt-get install python3 python3-venv; macOS: brew install python), or set PYTHON."
}

# Run a command with its output in a log, and a sign of life every ten seconds.
with_progress() {
    local log=$1 title=$2 started=$SECONDS
    shift 2
    "$@" >"$log" 2>&1 &
    local pid=$!
    trap 'kill "$pid" 2>/dev/null || true' EXIT
    while kill -0 "$pid" 2>/dev/null; do
        sleep 1
        if (((SECONDS - started) % 10 == 0)); then
            printf '  %s: %d s  %s\n' "$title" "$((SECONDS - started))" "$(build_step "$log")" >&2
        fi
    done
    trap - EXIT
    if ! wait "$pid"; then
        tail -n 25 "$log" >&2
        stop "$title failed; the whole log is $log"
    fi
}

# "[57/140]" of the compiler's own count, if it is compiling.
build_step() { grep -oE '^ *\[[0-9]+/[0-9]+\]' "$1" 2>/dev/null | tail -n 1 | tr -d ' ' || true; }

# Debian 12's GCC drops the configuration of AMX's tiles (GCC bug 114098), which llama.cpp still trips over: on such a Xeon the engine
# would be killed (SIGILL). `-march=native` has the rest of what the machine can.
without_amx() {
    local compiler macros
    for compiler in "${CXX:-}" c++ g++ clang++; do
        if [ -n "$compiler" ] && command -v "$compiler" >/dev/null 2>&1; then
            macros=$("$compiler" -march=native -dM -E -x c++ /dev/null 2>/dev/null || true)
            case $macros in *__AMX_INT8__*) printf '%s' "-DCMAKE_CXX_FLAGS=-mno-amx-int8" ;; esac
            return
        fi
    done
}

computes() { { .venv/bin/python -m dsassist_runtime.llama.selftest; } 2>.venv/selftest.log; }

set_up() {
    local python stamp wanted
    stamp=.venv/installed
    wanted=$(cat pyproject.toml scripts/setup.sh | cksum)
    if [ -x .venv/bin/dsassist ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    python=$(find_python)
    command -v git >/dev/null 2>&1 || stop "git was not found; install it (Debian: apt-get install git)."
    command -v c++ >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1 ||
        stop "No C++ compiler was found; llama.cpp is compiled for this machine (Debian: apt-get install g++; macOS: xcode-select --install)."
    say "Setting up .venv with $("$python" --version)"
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        stop "$python cannot make a virtual environment (Debian: apt-get install python3-venv)."
    fi
    say "Installing dsassist. The first time llama.cpp is compiled from source: 5 to 10 minutes on 2 cores; later it comes from pip's cache."
    # Only the library is needed, none of llama.cpp's own programs.
    local -x CMAKE_ARGS="$(without_amx) ${CMAKE_ARGS:-} -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF"
    with_progress .venv/install.log "installing" .venv/bin/pip install --disable-pip-version-check -v -e '.[dev]'
    if ! computes; then
        say "llama.cpp from pip's cache does not run here (it may be another machine's), so it is compiled anew: 5 to 10 minutes."
        .venv/bin/pip cache remove llama_cpp_python >/dev/null 2>&1 || true
        with_progress .venv/install.log "compiling" .venv/bin/pip install --disable-pip-version-check -v --force-reinstall --no-deps \
            "$(.venv/bin/pip freeze | grep -i '^llama.cpp.python==')"
        computes || stop "llama.cpp does not run on this machine: $(tail -n 1 .venv/selftest.log)"
    fi
    printf '%s' "$wanted" >"$stamp"
}
