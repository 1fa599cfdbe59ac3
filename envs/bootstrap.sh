#!/bin/sh
# Makes the host environment `.venv` from the hash-locked requirements of this clone.
# Done once: a repeated call only compares the stamp and costs a few milliseconds.
# Uses $PYTHON when set, otherwise the first Python 3.10 or newer on PATH.
set -eu
cd "$(dirname "$0")/.."
venv=.venv
lock=lockfiles/host/requirements.txt

# What .venv depends on: where it is (scripts hold absolute paths), the lock, the project's metadata.
stamp() { pwd; cat "$lock" pyproject.toml; }
ready() { [ -x "$venv/bin/python" ] && stamp | cmp -s - "$venv/stamp"; }
fail() { echo "error: $1" >&2; exit 1; }

ready && exit 0

usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }
python=
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
    if usable "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    found=$(python3 -c 'import platform; print("python3 here is", platform.python_version())' 2>/dev/null ||
        echo "there is no python3 here")
    fail "no Python 3.10 or newer with the venv module found ($found); install one (macOS: brew install \
python, or python.org; Debian: apt install python3 python3-venv; anywhere: pyenv install 3.12), then run \
make again, or name it: make PYTHON=/path/to/python3"
fi

# Two at once: the second waits for the first, whose lock is void once its process is gone.
owner=unknown
until mkdir "$venv.lock" 2>/dev/null; do
    before=$owner
    owner=$(cat "$venv.lock/pid" 2>/dev/null || echo)
    # Without a number for two looks, a second apart, its maker died before writing one.
    if [ -z "$before$owner" ]; then rm -rf "$venv.lock"; continue; fi
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then rm -rf "$venv.lock"; continue; fi
    if [ ! -w . ]; then fail "$(pwd): this folder is not writable; clone it where you may write"; fi
    sleep 1
done
echo $$ >"$venv.lock/pid"
if ready; then rm -rf "$venv.lock"; exit 0; fi

# Nothing that was good is lost: the old environment comes back when the new one cannot be made.
if [ -x "$venv/bin/python" ] && [ -f "$venv/stamp" ]; then
    rm -rf "$venv.old"
    mv "$venv" "$venv.old"
fi
finish() {
    code=$?
    if [ "$code" -ne 0 ]; then
        rm -rf "$venv"
        if [ -d "$venv.old" ]; then mv "$venv.old" "$venv"; fi
    fi
    rm -rf "$venv.old" "$venv.lock"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

echo "making the host environment .venv with $("$python" --version) (once, under a minute) ..." >&2
unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX
PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
export PIP_USER PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_INPUT
log=$(mktemp)
{
    "$python" -m venv --clear "$venv" &&
        "$venv/bin/python" -m pip install --require-hashes --only-binary :all: -r "$lock" &&
        "$venv/bin/python" -m pip install --no-deps --no-build-isolation --no-index -e .
} >"$log" 2>&1 || {
    reason=$(grep -i '^ *error' "$log" | tail -n 1 | sed 's/^ *//')
    cp "$log" "${TMPDIR:-/tmp}/sdcoreml-bootstrap.log"
    rm -f "$log"
    fail "the host environment could not be made: ${reason:-see the log}; the whole log is in \
${TMPDIR:-/tmp}/sdcoreml-bootstrap.log; check the network and free disk, then run make again"
}
rm -f "$log"
stamp >"$venv/stamp.new"
mv "$venv/stamp.new" "$venv/stamp"
