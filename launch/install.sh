#!/bin/sh
# install.sh PYTHON VENV EXTRAS: a virtual environment with this package and EXTRAS.
# uv where there is one, else venv and pip. Does nothing if it was done before with the
# same setup.py, lock and extras.
set -eu
python=$1 venv=$2 extras=$3

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || {
    echo "error: $python does not run; expected Python 3.11 or newer: PYTHON=python3.11" >&2
    exit 2
}
case $version in
    3.11 | 3.12) ;;
    *)
        echo "error: $python is Python $version; expected 3.11 or 3.12: PYTHON=python3.11" >&2
        exit 2
        ;;
esac
lock=requirements/python$version.txt
stamp=$venv/.installed
wanted=$(cat setup.py "$lock" | cksum)
# Extras add up: a study must not take away what the tests need.
have=$([ -f "$stamp" ] && sed -n 2p "$stamp" || true)
if [ -f "$stamp" ] && [ "$(sed -n 1p "$stamp")" = "$wanted" ]; then
    missing=
    for extra in $(echo "$extras" | tr ',' ' '); do
        case ",$have," in *",$extra,"*) ;; *) missing=yes ;; esac
    done
    [ -n "$missing" ] || exit 0
    extras=$have,$extras
fi

echo "setting up $venv with Python $version (about 1 GB; one to two minutes)"
if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --allow-existing --python "$python" "$venv"
    uv pip install --quiet --python "$venv/bin/python" -c "$lock" -e ".[$extras]"
else
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --progress-bar "$([ -t 1 ] && echo on || echo off)" -c "$lock" -e ".[$extras]"
fi
printf '%s\n%s\n' "$wanted" "$extras" >"$stamp"
