"""`python -m tests.browser [--if-any] [FOLDER]`: looks at every kind of page in headless Chromium,
and uses the studio's page as people do.

It fails without a browser; with --if-any, it says that nothing was run, and does not look again at
pages in which it found no fault. Pages and pictures of them are left in FOLDER (build/browser).
Playwright and axe-core are brought from their own hash-locked list, once, into their own folder.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.browser.looking import VIEWS, look
from tests.browser.specimens import pages
from tests.browser.studio.house import why_not
from tests.browser.studio.scenes import SCENES, use
from tests.browser.studio.stage import once_more
from tests.browser.studio.whole import go_through
from tests.browser.studio.wire import PAGE

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "lockfiles" / "host" / "browser.txt"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)
NONE = (
    "no browser: install Chromium or Chrome, or name one with BROWSER=/path/to/chrome"
    " (on Debian: apt-get install chromium)"
)


def find_browser() -> str:
    """Return the path of Chromium or Chrome, "" if there is none."""
    if named := os.environ.get("BROWSER"):
        return shutil.which(named) or ""
    found = (shutil.which(name) for name in NAMES)
    places = (place for place in PLACES if Path(place).is_file())
    return next(filter(None, (*found, *places)), "")


def bring_tools(folder: Path) -> Path:
    """Return the folder that has Playwright and axe-core; it is made once for each lock."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    made = folder / f"tools-{digest}"
    if made.is_dir():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    aside = made.with_name(f".{made.name}.{os.getpid()}")
    uv = Path(sys.executable).with_name("uv")
    words = ("pip", "install", "--quiet", "--no-config", "--no-deps", "--require-hashes")
    where = ("--python", sys.executable, "--target", str(aside), "--requirement", str(LOCK))
    try:
        subprocess.run([str(uv), *words, *where], check=True)
        aside.rename(made)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return made


def digest_of(contents: Mapping[str, bytes], browser: str) -> str:
    """Return a digest of all that decides what a browser finds."""
    found = hashlib.sha256(browser.encode() + LOCK.read_bytes())
    tests, doctor = Path(__file__).parent, PAGE.parents[1]
    ours = (*tests.rglob("*.py"), *tests.rglob("*.json"), *PAGE.iterdir())
    for path in sorted((*ours, *doctor.glob("studio/*.py"), *doctor.glob("queue/*.py"))):
        found.update(path.name.encode() + path.read_bytes())
    for name, content in contents.items():
        found.update(name.encode() + content)
    return found.hexdigest()


def judge(made: Mapping[str, Path], browser: str, axe: str, folder: Path) -> Iterator[str]:
    """Yield all faults; the true studio is used at the same time, since it waits for its work."""
    reason = why_not()
    if reason:
        print(f"NOT RUN: the whole way of the studio: {reason}", file=sys.stderr)
    with ThreadPoolExecutor(max_workers=1) as beside:
        plays = () if reason else (lambda: go_through(browser, axe, folder, print),)
        name = "studio, the whole way"
        going = [beside.submit(once_more, play, name, print) for play in plays]
        yield from look(made, browser, axe, folder)
        yield from use(browser, axe, folder, print)
        for one in going:
            yield from one.result()


def main(argv: Sequence[str] | None = None) -> int:
    """Look at the pages; return 0 if nothing is wrong, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "browser")
    parser.add_argument("--if-any", action="store_true", help="without a browser, run nothing")
    args = parser.parse_args(argv)
    if not (browser := find_browser()):
        print(f"NOT RUN: make browser: {NONE}" if args.if_any else NONE, file=sys.stderr)
        return int(not args.if_any)
    contents = pages()
    stamp, digest = args.folder / "faultless", digest_of(contents, browser)
    if args.if_any and stamp.is_file() and stamp.read_text() == digest:
        print("the pages are as they were when a browser found no fault")
        return 0
    try:
        sys.path.append(str(bring_tools(args.folder)))
    except subprocess.CalledProcessError:  # uv has said why: no network
        print("NOT RUN: make browser: its tools could not be brought", file=sys.stderr)
        return int(not args.if_any)
    axe = importlib.util.find_spec("axe_playwright_python")
    source = Path(str(axe and axe.origin)).with_name("axe.min.js").read_text("utf-8")
    made = {name: args.folder / f"{name}.html" for name in contents}
    for name, content in contents.items():
        made[name].write_bytes(content)
    faults = 0
    for fault in judge(made, browser, source, args.folder):
        print(fault, flush=True)
        faults += 1
    stamp.write_text("" if faults else digest)
    print(
        f"{len(made)} pages in {len(VIEWS)} views each, the studio in {len(SCENES)} scenes:"
        f" {faults} faults; see {args.folder}"
    )
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
