"""Wordings that several programs have are told as one program's only where the log names it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, Role, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from tests.doctor.kin import expect_entry


@pytest.mark.parametrize(
    ("log", "entry"),
    [
        (
            (
                "Error: undefined method `map' for nil:NilClass\n\tfrom "
                "/x/gems/cocoapods-1.11.3/lib/installer.rb:151"
            ),
            "brew-own-clone-damaged",
        ),
        (
            (
                "/x/logger.rb:12:in `<module:X>': uninitialized constant "
                "ActiveSupport::Paint::Logger (NameError)"
            ),
            "brew-own-clone-damaged",
        ),
        ("    Permission denied @ dir_s_mkdir - /Library/Ruby/Gems/2.6.0/gems", "brew-not-yours"),
        ("    Permission denied @ dir_s_mkdir - /usr/local/lib/ruby/gems/3.2.0", "brew-not-yours"),
        ("Errno::EPERM: Operation not permitted @ apply2files - /Volumes/x", "brew-app-protected"),
        ("error: failed to push some refs to 'github.com:a/b.git'", "git-push-rejected"),
        (
            (
                "curl: (7) Failed to connect to localhost port 7860 after 0 ms: "
                "Couldn't connect to server"
            ),
            "git-proxy-of-this-machine",
        ),
        (
            (
                "fatal: unable to access 'http://localhost:8080/': Failed to connect "
                "to localhost port 8080"
            ),
            "git-proxy-of-this-machine",
        ),
        (
            (
                "  Temporary failure resolving 'deb.example'\nE: Unable to fetch some "
                "archives, maybe run apt-get update or try with --fix-missing?"
            ),
            "apt-lists-old",
        ),
        ("aws s3 cp: error: remote file already exists", "git-remote-there-already"),
        ("usage: launch.py\nerror: unknown option 'filter'", "git-too-old"),
        ("grpc.RpcError: RPC failed with HTTP 503", "git-clone-broke-off"),
        ("remote: error: Token does not have permission to push", "hub-token-may-only-read"),
        ("ERROR: GPU quota is not available in us-central1", "colab-no-gpu-left"),
        ("Error: failed to hardlink file /a to /b", "uv-no-hardlinks"),
        ("Error: Failed to spawn: `esbuild`", "uv-program-not-installed"),
        ("error: could not parse 'foo' in: bar.cfg", "conda-file-not-readable"),
        ("YAMLError: mapping values are not allowed here", "conda-file-not-readable"),
        ("go: example.com/foo/bar:v1.2.3: not found", "docker-image-not-there"),
        ('2024/01/01 exec: "nvidia-smi": permission denied', "docker-not-executable"),
        ("gpg: Can't check signature: No public key NO_PUBKEY A4B469963BF863CC", "apt-key-missing"),
        ("PermissionError: [Errno 13] Permission denied: '/.dockerenv'", "home-is-the-root-folder"),
        ("bash: /dev/tcp: Operation not permitted", "start-forbidden-by-macos"),
    ],
)
def test_a_wording_that_others_have_is_not_told_as_one_programs(log: str, entry: str) -> None:
    surely = {
        match.entry.id
        for match in examine(f"{log}\n", entries()).matches
        if match.role is Role.CAUSE and match.confidence is not Confidence.GUESS
    }
    assert entry not in surely


@pytest.mark.parametrize(
    ("log", "entry", "said"),
    [
        (
            (
                "Error: undefined method `downcase' for "
                "nil:NilClass\n/opt/homebrew/Library/Homebrew/formula.rb:12:in `paint'"
            ),
            "brew-own-clone-damaged",
            "brew update-reset",
        ),
        (
            "Error: Permission denied @ dir_s_mkdir - /opt/homebrew/Cellar/paint",
            "brew-not-yours",
            "sudo chown -R $(whoami) /opt/homebrew/Cellar/paint",
        ),
        (
            (
                "curl: (7) Failed to connect to 127.0.0.1 port 7890 after 0 ms: "
                "Couldn't connect to server"
            ),
            "git-proxy-of-this-machine",
            "127.0.0.1 7890",
        ),
        (
            (
                "remote: error: GH006: Protected branch update failed for "
                "refs/heads/main.\n ! [remote rejected] main -> main (protected branch "
                "hook declined)\nerror: failed to push some refs to 'github.com:a/b.git'"
            ),
            "git-push-rejected",
            "protected",
        ),
        (
            "fatal: protocol '\u200bhttps' is not supported",
            "git-address-with-strange-letter",
            "nobody sees",
        ),
        (
            (
                "curl: (77) error setting certificate verify locations:  CAfile: "
                "/etc/pki/ca.crt CApath: none"
            ),
            "no-root-certificates",
            "CAfile: /etc/pki/ca.crt",
        ),
        (
            (
                "shell-init: error retrieving current directory: getcwd: cannot access "
                "parent directories: No such file or directory"
            ),
            "folder-of-the-shell-gone",
            "removed",
        ),
        (
            (
                "error: No interpreter found for Python 3.10 in virtual environments, "
                "managed installations, or search path"
            ),
            "uv-python-not-there",
            "no Python 3.10 here",
        ),
        (
            "error: No download found for request: cpython-3.10.99-macos-aarch64-none",
            "uv-python-not-there",
            "no cpython-3.10.99-macos-aarch64-none here",
        ),
        (
            (
                "ERROR: Ignored the following versions that require a different python "
                "version: 2.0.0 Requires-Python >=3.9,<3.13"
            ),
            "family-requires-python",
            "for Python >=3.9,<3.13.",
        ),
        (
            (
                "RepositoryNotFoundError: 401 Client Error. (Request ID: "
                "Root=1-6)\n\nRepository Not Found for url: "
                "https://huggingface.co/api/models/sd1.5."
            ),
            "hub-name-without-owner",
            "OWNER/sd1.5 as",
        ),
        (
            (
                "PackagesNotFoundError: The following packages are missing from the "
                "target environment:\n  - painter"
            ),
            "conda-not-installed-there",
            "painter is not in",
        ),
        (
            ("yaml: unmarshal errors:\n  line 5: cannot unmarshal !!str `paint` into []string"),
            "yaml-not-well-formed",
            "at line 5",
        ),
        (
            "docker: invalid reference format: repository name (Me/SD) must be lowercase.",
            "docker-name-invalid",
            "must be lowercase):",
        ),
        (
            ("error: Failed to spawn: `./x.sh`\n  Caused by: Permission denied (os error 13)"),
            "uv-program-not-installed",
            "chmod +x ./x.sh",
        ),
        (
            " painter : Depends: brush (>= 2.34) but 2.31-0 is to be installed",
            "apt-do-not-fit",
            "would get is 2.31-0",
        ),
        ("export: not valid in this context: 7.0", "export-with-spaces", "space"),
        ("bash: export: `7.0': not a valid identifier", "export-with-spaces", "space"),
    ],
)
def test_its_own_wording_is_told_with_what_it_names(log: str, entry: str, said: str) -> None:
    expect_entry(f"{log}\n", entry, said)
