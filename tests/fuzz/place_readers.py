"""The commands that read environments, toolchains, settings, checkouts and hubs."""

from __future__ import annotations

from tests.fuzz.network import ANSWERS, ask_here
from tests.fuzz.reader import PLAN, Attempt, Reader, each

PLACE_READERS: tuple[Reader, ...] = (
    Reader(name="diagnose", share=4, attempts=each(("diagnose", "--anywhere"), ("log", "log.txt"))),
    Reader(
        name="facts",
        share=2,
        attempts=(
            Attempt(
                input="facts", words=("doctor", "--facts", "facts.json"), aims=("work/facts.json",)
            ),
            Attempt(
                input="facts",
                words=("doctor", "--facts", "facts.json", "--compare", "earlier.json"),
                aims=("work/earlier.json",),
            ),
        ),
    ),
    Reader(
        name="environment",
        share=2,
        attempts=tuple(
            Attempt(
                input="environment",
                words=("env", *words, "--toolchain", "toolchain/"),
                aims=(
                    "envs/*/sealed/*",
                    "envs/*/pyvenv.cfg",
                    "envs/*/**/*.dist-info/*",
                    "envs/**/*",
                ),
            )
            for words in (("verify",), ("verify", "--full"), ("which",))
        ),
    ),
    Reader(
        name="archive",
        share=1,
        attempts=(
            Attempt(
                input="environment", words=("env", "import", "tiny.tar"), aims=("work/tiny.tar",)
            ),
        ),
    ),
    Reader(
        name="toolchain",
        share=3,
        attempts=(
            *(
                Attempt(
                    input="toolchain",
                    words=(*words, "--toolchain", "toolchain/"),
                    aims=("work/toolchain/*",),
                )
                for words in (
                    ("env", "which"),
                    ("env", "evidence"),
                    ("env", "conda-files", "--check"),
                    ("env", "lock", "--check", "--offline"),
                    ("doctor", "--select", "PIN"),
                    ("diagnose", "/dev/null"),
                )
            ),
        ),
    ),
    Reader(
        name="configuration",
        share=2,
        made=frozenset({"home/.config"}),
        attempts=tuple(
            Attempt(input="configuration", words=words, aims=("home/.config/**/*", "work/**/*"))
            for words in (
                ("sources", "list"),
                ("sources", "add", "folder", "comfy"),
                ("sources", "remove", "comfy", "/gone"),
                ("inspect", "model"),
                ("env", "which"),
                ("doctor", "--select", "ENV,HUB"),
            )
        ),
    ),
    Reader(
        name="settings",
        share=1,
        attempts=(
            Attempt(
                input="settings",
                words=("doctor", "--select", "MOD", "model"),
                aims=("work/sdcoreml.toml",),
            ),
        ),
    ),
    Reader(
        name="checkout",
        share=1,
        attempts=each(
            ("doctor", "--select", "GIT,MOD"), ("checkout", "checkout"), aims="work/checkout/**/*"
        ),
    ),
    Reader(
        name="upstream",
        share=1,
        attempts=tuple(
            Attempt(input="upstream", words=words, aims=(aim,))
            for words in (
                ("env", "upstream", "--from", "clone", "--toolchain", "toolchain/"),
                ("doctor", "--select", "GIT,PIN", "clone", "--toolchain", "toolchain/"),
            )
            for aim in ("work/clone/.git/**/*", "work/clone/**/*", "work/toolchain/toolchain.toml")
        ),
        made=frozenset({"envs"}),
    ),
    Reader(
        name="hub",
        share=4,
        attempts=tuple(
            Attempt(input="hub", words=(*words, *answer.words), aims=(answer.aim,))
            for words in (
                ("inspect",),
                PLAN,
                ("convert", "-o", "out"),
                ("doctor", "--select", "HUB,MOD"),
            )
            for answer in ANSWERS
            if answer.suits(words[0])
        ),
        patch=ask_here,
    ),
    Reader(
        name="measurement",
        share=1,
        attempts=each(
            ("env", "evidence", "add"), ("measurement", "mac.json"), aims="work/mac.json"
        ),
    ),
    Reader(name="clean", share=1, attempts=each(("clean", "--dry-run"), ("sd1", "model"))),
)
