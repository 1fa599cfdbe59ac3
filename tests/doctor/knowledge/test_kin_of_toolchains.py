"""What shells, Xcode, Swift, uv, mamba, curl and Docker say is told as the case that the log is."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Role, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry

MANIFEST = """\
error: 'paint': Invalid manifest
/Users/me/paint/Package.swift:3:8: error: no such module 'PackageDescription'
import PackageDescription
       ^
"""
TESTS = """\
/Users/me/paint/Tests/PaintTests/BrushTests.swift:1:8: error: no such module 'XCTest'
import XCTest
       ^
error: terminated(1): /Library/Developer/CommandLineTools/usr/bin/swift-build-tool -f x main
"""
FISH = """\
Missing end to balance this if statement
paint/bin/activate (line 78): if [ -n "$BASH" -o -n "$ZSH_VERSION" ] ; then
                               ^
from sourcing file paint/bin/activate
    called on standard input

source: Error while reading file 'paint/bin/activate'
"""
EXPIRED = """\
* Connected to 192.168.1.9   port   8443
* TLSv1.3 (OUT), TLS handshake, Client hello (1):
* TLSv1.3 (IN), TLS handshake, Certificate (11):
* TLSv1.3 (OUT), TLS alert, {alert}:
* OpenSSL/3.3.1: error:80000002:system library::No such file or directory
* closing connection #0
curl: (35) OpenSSL/3.3.1: error:80000002:system library::No such file or directory
"""
BUILT = """\
\u00d7 Preparing metadata (pyproject.toml) did not run successfully.
│ exit code: 1
╰─> [1406 lines of output]
      [409/517] Compiling C++ object numpy/_core/_umath.cpython-314-darwin.so.p/src_sort.cpp.o
      ninja: build stopped: subcommand failed.
      [end of output]
"""
OLD_SOLVER = """\
UnsatisfiableError: The following specifications were found to be incompatible with each other:

The following specifications were found to be incompatible with your system:

  - feature:/osx-arm64::__osx==14.1=0
  - painter -> ipykernel[version='>=5.1.0'] -> __osx
  - painter -> ipykernel[version='>=5.1.0'] -> __win

Your installed version is: 14.1
"""
ZSH = """\
+(eval):77> conda activate base
+conda:1> local 'cmd=activate'
+local:0> print -n '\\e]0;cmd=activate\\a'
+conda:11> __conda_exe activate base

CondaError: Run 'conda init' before 'conda activate'
"""
NOTEBOOK = """\
NameError                                 Traceback (most recent call last)
[<ipython-input-2-c92a>](https://localhost:8080/#) in <module>
    414               gallery = gr.Gallery(label="Images")
--> 415           state = gr.Textbox(label="State", interactive=false).style(container=False)
    416           error_output = gr.Markdown(visible=False)
"""
LAUNCHED = """\
Couldn't launch python

exit code: 9009

stderr:
'C:\\Users\\Max' is not recognized as an internal or external command,
operable program or batch file.
"""
OLD_PIP = (
    "  Could not find a version that satisfies the requirement {asked} (from versions:"
    " 0.12.1, 1.0.0, 1.14.0{end}\n"
)
UV_LINK = """\
error: Missing expected target directory for Python minor version link at
C:\\Users\\me\\AppData\\Roaming\\uv\\python\\cpython-3.12.13-windows-x86_64-none
"""


@pytest.mark.parametrize(
    ("log", "name", "said"),
    [
        (
            (
                "direnv: loading .envrc\n"
                "environment: line 400: /usr/local/opt/python/bin/python2.7"
                ": No such file or directory\n"
            ),
            "brew-python-gone",
            "Python 3 since 2018",
        ),
        (
            (
                "fish: Unknown command: /usr/local/opt/python/bin/python3.7\n"
                "/usr/local/lib/python3.7/site-packages/virtualfish/virtual.fish (line 542):\n"
            ),
            "brew-python-gone",
            "virtualfish was installed with",
        ),
        (
            (
                "exec: Failed to execute process '/Users/x/v/bin/pip'. Reason:\nThe file"
                " '/Users/x/v/bin/pip' specified the interpreter"
                " '/opt/homebrew/opt/python@3.9/bin/python3.9', which is not an"
                " executable command.\n"
            ),
            "brew-python-gone",
            "Homebrew's python@3.9",
        ),
        (
            (
                "zsh: /usr/local/bin/pip: bad interpreter: /usr/local/opt/python/bin/python3.7:"
                " no such file or directory\n"
            ),
            "family-python-gone",
            "brew upgrade replaced the Python 3.7",
        ),
        (
            (
                "DEBUG: Invoking xcodebuild failed, developer dir:"
                " /Applications/Xcode16.app/Contents/Developer ,return code 69, stderr:\n\n"
                "Agreeing to"
                " the Xcode/iOS license requires admin privileges, please run “sudo xcodebuild"
                " -license” and then retry this command.\n"
            ),
            "xcode-license-in-other-words",
            "/Applications/Xcode16.app/Contents/Developer is not accepted",
        ),
        (
            (
                "Error: You have not agreed to the Xcode license. Please resolve this by running:\n"
                "  sudo xcodebuild -license accept\n"
            ),
            "xcode-license-in-other-words",
            "Xcode's licence is not accepted",
        ),
        (MANIFEST, "family-command-line-tools", "the part that reads Package.swift"),
        (TESTS, "swift-module-of-xcode", "they have no XCTest"),
        (
            "$ swift build\n<unknown>:0: error: no such file or directory: 'build'\n",
            "swift-without-package-manager",
            "older than Swift 3",
        ),
        (
            (
                "error: unable to invoke subcommand: /home/me/swift-2.2-RELEASE-ubuntu14.04/usr"
                "/bin/swift-build (No such file or directory)\n"
            ),
            "swift-without-package-manager",
            "Swift 2.2 comes without the package manager",
        ),
        (
            "You have macOS version 12.7.2 installed. This app requires macOS 13.1 or later.\n",
            "app-wants-newer-macos",
            "This macOS (12.7.2) is older",
        ),
        (FISH, "family-other-system-shell", "was sourced in fish"),
        (
            "bash: paint/bin/activate.fish: line 7: syntax error near unexpected token `('\n",
            "activate-of-another-shell",
            "the script for another shell",
        ),
        (
            (
                "micromamba create -f environment.yaml\nERROR   Could not read environment"
                " 'dependencies' as list of strings from environment.yaml\n"
            ),
            "mamba-environment-file",
            "the list below - pip:",
        ),
        (UV_LINK, "uv-python-link", "uv has installed Python 3.12.13"),
        (EXPIRED.format(alert="certificate expired (557)"), "family-tls", "has expired"),
        (EXPIRED.format(alert="unknown CA (560)"), "family-tls", "who signed it"),
        (
            "ERROR: BuildKit is enabled but the buildx component is missing or broken\n",
            "docker-without-buildx",
            "its plugin buildx is not installed",
        ),
        (
            "ValueError: invalid type: 'torch.mps.FloatTensor'\n",
            "torch-type-name-of-a-device",
            "not mps",
        ),
        (NOTEBOOK, "python-with-words-of-json", "writes false as JSON"),
        (LAUNCHED, "windows-launches-no-python", "cut it off at C:\\Users\\Max"),
        (BUILT, "family-build-failed", "numpy has no wheel for Python 3.14"),
        (OLD_SOLVER, "conda-needs-of-system", "This macOS is not too old"),
        (ZSH, "family-conda-setup", "zsh's own word local"),
        (
            OLD_PIP.format(asked="tensorflow==2.4.0", end=")"),
            "family-no-such-version",
            "this pip is older than 20",
        ),
        (
            "ERROR:" + OLD_PIP.format(asked="tensorflow==2.4.0", end=")"),
            "family-no-such-version",
            "this Python is too old",
        ),
        (
            "C:\\sd>pip install tensorflow==2.4.0\n"
            + OLD_PIP.format(asked="tensorflow==2.4.0", end=")"),
            "family-no-such-version",
            "this Python is too old",
        ),
        (
            (
                "error: unable to invoke subcommand: /Library/Developer/Toolchains/"
                "swift-2.2-SNAPSHOT-a.xctoolchain/usr/bin/swift-build (No such file or directory)\n"
            ),
            "swift-without-package-manager",
            "Swift 2.2 comes without",
        ),
        (
            (
                "Could not find a version that satisfies the requirement painter==3.9 (from -r"
                " requirements.txt (line 6)) (from versions: 3.2.1, 3.2.2)\n"
            ),
            "family-no-such-version",
            "this pip is older than 20",
        ),
        (
            (
                "/x/.pyenv/shims/python3: line 21: /usr/local/Cellar/pyenv/1.2.20/libexec/pyenv: No"
                " such file or directory\n"
            ),
            "brew-program-gone",
            "still call the pyenv 1.2.20",
        ),
        (
            "/usr/local/Cellar/ffmpeg/4.2/bin/ffmpeg: No such file or directory\n",
            "brew-program-gone",
            "Homebrew replaced ffmpeg 4.2",
        ),
        (
            "You have macOS 10.14.6. The application requires macOS 10.11 or later.\n",
            "app-wants-newer-macos",
            "is not older than what the app asks for",
        ),
    ],
)
def test_the_case_that_a_log_shows_is_told(log: str, name: str, said: str) -> None:
    expect_entry(log, name, said)


def test_of_releases_that_are_cut_off_none_is_the_newest() -> None:
    cause = examine(OLD_PIP.format(asked="tensorflow==2.4.0", end=", 1.15.0r"), entries()).cause
    assert cause is not None
    assert "the newest" not in cause.cause


@pytest.mark.parametrize(
    ("log", "stranger"),
    [
        ("FileNotFoundError: [Errno 2] No such file or directory: '/opt/x'\n", "brew-python-gone"),
        (
            "ls: /usr/local/opt/python/share/doc.txt: No such file or directory\n",
            "brew-python-gone",
        ),
        ("/opt/homebrew/opt/python@3.11/bin/python3.11 main.py\n", "brew-python-gone"),
        (
            "<unknown>:0: error: no such file or directory: 'Sources/main.swift'\n",
            "swift-without-package-manager",
        ),
        ("xcodebuild: built 69 targets\n", "xcode-license-in-other-words"),
        ("The MIT license: you must agree to the license below\n", "xcode-license-in-other-words"),
        ("* TLSv1.3 (IN), TLS alert, close notify (256):\n", "curl-trace-alert"),
        ("NameError: name 'falsey' is not defined\n", "python-with-words-of-json"),
        ("--> 12     show = gr.Row(visible=false)\n", "python-with-words-of-json"),
        ("ValueError: invalid type: 'torch.FloatTensor'\n", "torch-type-name-of-a-device"),
        ("This package requires macOS-style paths, version 13.\n", "app-wants-newer-macos"),
        ("source venv/bin/activate.fish\n", "activate-of-another-shell"),
        ("critical libmamba File environment.yml read\n", "mamba-environment-file"),
    ],
)
def test_what_only_looks_like_it_is_told_otherwise(log: str, stranger: str) -> None:
    found = examine(log, entries()).matches
    assert stranger not in {one.entry.id for one in found if one.role is not Role.HARMLESS}
