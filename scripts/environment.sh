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
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    printf 'autotune needs Python 3.11 or newer; here is %s.\n' "$(python3 --version 2>&1 || true)" >&2
    printf 'Install one, or name it: PYTHON=/path/to/python3.12 %s\n' "$0" >&2
    return 2
}

pip_install() {
    "$python" -m pip install --quiet --quiet --disable-pip-version-check --no-input -c "$root/constraints.txt" "$@" || {
        printf 'The installation failed; the lines above say why. Running %s again goes on from there.\n' "$0" >&2
        return 1
    }
}

# install_once [EXTRA]: installs autotune with an extra of pyproject.toml, unless that has been done already.
install_once() {
    local extra="${1:-}" wanted found
    wanted=$(cat "$root/pyproject.toml" "$root/constraints.txt" | cksum)
    local stamp="$environment/installed${extra:+-$extra}"
    if "$python" -c '' 2>/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    found=$(find_python)
    if ! "$python" -c '' 2>/dev/null; then
        printf 'Making an environment in %s (%s).\n' "$environment" "$("$found" --version)"
        "$found" -m venv --clear "$environment" || {
            printf 'Python cannot make environments here; on Debian and Ubuntu: apt install python3-venv\n' >&2
            return 2
        }
    fi
    printf 'Installing the packages%s into .venv: once, some minutes.\n' "${extra:+ for $extra}"
    pip_install torch
    pip_install -e "$root${extra:+[$extra]}"
    printf '%s\n' "$wanted" >"$stamp"
    # With an extra, everything is there that is needed without it.
    printf '%s\n' "$wanted" >"$environment/installed"
}
