# Sourced by the other scripts: an environment of the project's own in .venv, installed once.
# Sets $root (of the repository) and $python (of the environment).

set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
environment="$root/.venv"
python="$environment/bin/python"
export HOME="${HOME:-$environment}"

# A Python that is new enough: the one in $PYTHON, else the first of the usual names.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    printf 'autotune needs Python 3.11 or newer; here is %s.\n' "$(python3 --version 2>&1 || true)" >&2
    printf 'Install one, or name it: PYTHON=/path/to/python3.12 %s\n' "$0" >&2
    return 2
}

run_pip() {
    # Source distributions are built the PEP 517 way, as a new pip does without being asked.
    PIP_USE_PEP517=1 "$python" -m pip "$1" --quiet --quiet --disable-pip-version-check --no-input "${@:2}"
}

# Where uv is installed it does the work, several times as fast. It does not read pip's settings, so it is shown the wheels of this machine.
run_uv() {
    local links="${PIP_FIND_LINKS:-}"
    UV_FIND_LINKS="${UV_FIND_LINKS:-${links// /,}}" uv pip install --quiet --python "$python" "$@"
}

packages() {
    if command -v uv >/dev/null; then run_uv "$@"; else run_pip install "$@"; fi || {
        printf 'The installation failed; the lines above say why. Running %s again goes on from there.\n' "$0" >&2
        return 1
    }
}

make_environment() {
    local found
    found=$(find_python)
    printf 'Making an environment in %s (%s).\n' "$environment" "$("$found" --version)"
    if command -v uv >/dev/null; then
        uv venv --quiet --clear --python "$(command -v "$found")" "$environment"
        packages pip # for scripts/wheelhouse and the tests
    else
        "$found" -m venv --clear "$environment" || {
            printf 'Python cannot make environments here; on Debian and Ubuntu: apt install python3-venv\n' >&2
            return 2
        }
    fi
}

# The locks are complete, so dependencies are not looked for, and they hold what builds the source distributions among them.
install_locked() {
    packages --require-hashes --no-deps -r "$root/requirements-build.lock"
    packages --require-hashes --no-deps --no-build-isolation -r "$root/requirements.lock" ${1:+-r "$root/requirements-$1.lock"}
}

# install_once [EXTRA]: installs the locked packages, those of an extra too, and autotune itself, unless that has been done already.
install_once() {
    local extra="${1:-}" wanted
    local stamp="$environment/installed${extra:+-$extra}"
    wanted=$(cat "$root/pyproject.toml" "$root/constraints.txt" "$root"/requirements*.lock | cksum)
    if "$python" -c '' 2>/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    "$python" -c 'import pip' 2>/dev/null || make_environment
    printf 'Installing the packages%s into .venv: once, some minutes.\n' "${extra:+ for $extra}"
    install_locked "$extra"
    # The machine chooses torch's build. A CUDA build brings the CUDA libraries that it names.
    packages -c "$root/constraints.txt" torch
    packages --no-deps --no-build-isolation -e "$root"
    # Once, whatever the environment says of bytecode: a search or the tests start hundreds of processes.
    "$python" -m compileall -q "$root/autotune"
    printf '%s\n' "$wanted" >"$stamp"
    # With an extra, everything is there that is needed without it.
    printf '%s\n' "$wanted" >"$environment/installed"
}

# set_up EXTRA WORD…: install_once EXTRA, unless the words ask for help, which any Python gives.
set_up() {
    local extra="$1" word
    shift
    for word; do
        case "$word" in
            -h | --help)
                python=$(find_python)
                return
                ;;
        esac
    done
    install_once "$extra"
}
