#!/usr/bin/env bash
# Create a virtual environment with this package in it, at the versions of constraints.txt.
# usage: tools/venv.sh FOLDER [EXTRAS [GROUP ...]]     e.g. tools/venv.sh .venv all test lint
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
extras=${2:+[$2]}
groups=()
for group in "${@:3}"; do groups+=(--group "$group"); done
python=${PYTHON:-python3}

fail() {
    echo "error: $*" >&2
    exit 1
}

command -v "$python" >/dev/null || fail "$python not found; install Python 3.11 or newer, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old, 3.11 or newer is needed; set PYTHON=/path/to/python3.11"

# Debian ships Python without what venv needs.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing python3-venv"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
    else
        fail "$python cannot create virtual environments; run: apt-get install python3-venv"
    fi
fi

echo "setting up $folder (once; again only after pyproject.toml or constraints.txt changed)"
"$python" -m venv "$folder"
install=("$folder/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt)
"${install[@]}" pip hatchling editables
"${install[@]}" --no-build-isolation --editable ".$extras" ${groups[@]+"${groups[@]}"}
touch "$folder/.stamp"
