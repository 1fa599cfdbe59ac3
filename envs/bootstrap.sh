#!/bin/sh
# Makes the host environment `.venv` from the hash-locked requirements of this clone.
# Done once: a repeated call only compares the stamp and costs a few milliseconds.
# Uses $PYTHON when set, otherwise the first Python 3.10 or newer on PATH, otherwise one that uv brings.
set -eu
cd "$(dirname "$0")/.."
venv=.venv
lock=lockfiles/host/requirements.txt

# What .venv depends on: where it is (scripts hold absolute paths), the lock, the project's metadata.
stamp() { pwd; cat "$lock" pyproject.toml; }
ready() { [ -x "$venv/bin/python" ] && stamp | cmp -s - "$venv/stamp"; }
fail() { echo "error: $1" >&2; exit 1; }

ready && exit 0

names="python3 python3.14 python3.13 python3.12 python3.11 python3.10 python"
older="python3.9 python3.8"
case "${PYTHON:-}" in "~/"*) PYTHON=$HOME/${PYTHON#??} ;; esac

# first TEST NAME ...: the first Python of those names, and before them $PYTHON, that passes.
first() {
    test=$1
    shift
    for candidate in "${PYTHON:-}" "$@"; do
        if [ -n "$candidate" ] && "$candidate" -c "$test" 2>/dev/null; then echo "$candidate"; return; fi
    done
}
python=$(first 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' $names)

# Without a fitting Python uv brings one; without uv an older Python brings uv, from its locked wheel.
uv= old=
if [ -z "$python" ]; then
    uv=$(command -v uv || true)
    [ -n "$uv" ] || old=$(first 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 8))' $names $older)
    [ -n "$uv$old" ] || old=$(first 'import sys, pip; sys.exit(sys.version_info < (3, 8))' $names $older)
fi
if [ -z "$python$uv$old" ]; then
    get="pyenv install 3.13"
    while read -r tool command; do
        if command -v "$tool" >/dev/null; then get=$command; break; fi
    done <<'END'
brew brew install python
xcode-select xcode-select --install
apt-get sudo apt-get install -y python3-venv
dnf sudo dnf install -y python3
zypper sudo zypper install -y python3
pacman sudo pacman -S --noconfirm python
END
    found=$(python3 -c 'import platform; print("python3 here is", platform.python_version())' 2>/dev/null ||
        echo "there is no python3 here")
    fail "no Python with venv or pip, and no uv ($found); install one, then run make again: $get"
fi

# Two at once: the second waits for the first, whose lock is void once its process is gone.
owner=unknown
until mkdir "$venv.lock" 2>/dev/null; do
    before=$owner
    owner=$(cat "$venv.lock/pid" 2>/dev/null || echo)
    # Without a number for two looks, a second apart, its maker died before writing one.
    if [ -z "$before$owner" ]; then rm -rf "$venv.lock"; continue; fi
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then rm -rf "$venv.lock"; continue; fi
    if [ ! -w . ]; then fail "$(pwd): this folder is not writable; let its owner run \`make bootstrap\`, or clone it where you may write"; fi
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
    rm -rf "$venv.old" "$venv.lock" ${log:+"$log"} ${scratch:+"$scratch"}
    exit "$code"
}
log= scratch=
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX
PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
export PIP_USER PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_INPUT
log=$(mktemp)

# The index in force, as envs/mirrors finds it: by a variable that people already set, else by
# `url` under `[index]` of the user's own configuration.
config=${HOME:-}/.config
if [ "$(uname -s 2>/dev/null)" = Darwin ]; then config="${HOME:-}/Library/Application Support"; fi
config=${XDG_CONFIG_HOME:-$config}/sdcoreml/config.toml
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}
case ${index%%://*} in *=*) index=${index#*=} ;; esac
if [ -z "$index" ] && [ -r "$config" ]; then
    index=$(awk '/^[ \t]*\[/ { mine = /^[ \t]*\[index\]/ }
        mine && /^[ \t]*url[ \t]*=/ { sub(/^[^=]*=[ \t]*["\047]/, ""); sub(/["\047].*/, ""); print; exit }' "$config")
fi
if [ -n "$index" ]; then PIP_INDEX_URL=$index; export PIP_INDEX_URL; fi

only_uv() { awk '/^[^ ]/ { mine = /^uv==/ } mine' "$lock"; }

# uv of the host lock, by its hashes, in a folder that goes when it has brought a Python.
bring_uv() {
    scratch=$(mktemp -d)
    only_uv >"$scratch/uv.txt"
    set -- -m pip install --require-hashes --only-binary :all: -r "$scratch/uv.txt"
    if "$old" -m venv "$scratch/venv"; then
        uv=$scratch/venv/bin/uv
        "$scratch/venv/bin/python" "$@"
    else
        uv=$scratch/uv/bin/uv
        "$old" "$@" --target "$scratch/uv"
    fi
}

# A Python from uv, into uv's own folder, where other programs find it too; nothing on PATH changes.
bring_python() {
    if [ -z "$uv" ]; then bring_uv; fi &&
        UV_PYTHON_PREFERENCE=only-managed UV_PYTHON_INSTALL_BIN=0 &&
        export UV_PYTHON_PREFERENCE UV_PYTHON_INSTALL_BIN &&
        "$uv" python install 3.13 &&
        python=$("$uv" python find 3.13)
}

# attempt WHAT COMMAND: run it into the log; when it fails, say what could not be done, and why.
attempt() {
    what=$1
    shift
    "$@" >>"$log" 2>&1 && return
    reason=$(grep -i '^ *error' "$log" | tail -n 1 | sed 's/^ *//')
    # uv ends with the innermost cause.
    cause=$(grep -i "^ *cause:" "$log" | tail -n 1 | sed "s/^[^:]*: *//")
    reason=$reason${cause:+": $cause"}
    cp "$log" "${TMPDIR:-/tmp}/sdcoreml-bootstrap.log"
    fail "$what: ${reason:-see the log}; the whole log is in ${TMPDIR:-/tmp}/sdcoreml-bootstrap.log; \
check the network and free disk, then run make again"
}
# uv, which the lock brings, takes a second where pip takes half a minute; pip, which knows pip's own
# settings, does what uv cannot.
fill() {
    set -- install --require-hashes --only-binary :all: -r
    "$python" -m venv --clear "$venv" &&
        only_uv >"$venv/installer.txt" &&
        "$venv/bin/python" -m pip "$@" "$venv/installer.txt" &&
        { by_uv "$@" || "$venv/bin/python" -m pip "$@" "$lock"; } &&
        "$venv/bin/python" -m pip install --no-deps --no-build-isolation --no-index -e . &&
        isolate "$venv/bin/sdcoreml"
}
# Python's variables (PYTHONPATH, PYTHONHOME) must not decide what the tool runs. The script starts
# with `#!PYTHON`, or, where a shebang could not hold that path, with a line for sh.
isolate() {
    sed -e "1s|^\(#!.*python[0-9.]*\)\$|\1 -I|" -e "2s| \"\$0\" | -I&|" "$1" >"$1.new" &&
        chmod 755 "$1.new" &&
        mv "$1.new" "$1"
}
by_uv() {
    if [ -n "$index" ]; then UV_DEFAULT_INDEX=$index; export UV_DEFAULT_INDEX; fi
    "$venv/bin/uv" pip "$@" "$lock" --no-config --python "$venv/bin/python"
}

if [ -z "$python" ]; then
    echo "no Python 3.10 or newer with venv here: uv brings 3.13 (about 30 MB, once) ..." >&2
    attempt "no Python could be brought" bring_python
fi
echo "making the host environment .venv with $("$python" --version) (once, under a minute) ..." >&2
attempt "the host environment could not be made" fill
stamp >"$venv/stamp.new"
mv "$venv/stamp.new" "$venv/stamp"
