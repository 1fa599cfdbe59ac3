"""What a log's own progress says of the failures before it."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine

REFUSED = "[espresso] exception=ANECF error: failed to load ANE model. Error=x\n"
FAILED = "fatal: gave up\n"


def sure(log: str) -> Confidence | None:
    """Return how sure the first cause of a log is."""
    cause = examine(log, entries()).cause
    return cause.confidence if cause else None


@pytest.mark.parametrize(
    "progress",
    [
        "Step 0 of 10  [mean: 0.10, median: 0.10, last 0.10] step/sec\n",
        "Running MIL default pipeline: 100%|#####| 77/77 [00:01<00:00, 75.08 passes/s]\n",
    ],
)
def test_what_a_run_visibly_went_on_from_is_a_guess(progress: str) -> None:
    assert sure(REFUSED) is Confidence.CERTAIN
    assert sure(progress + REFUSED) is Confidence.CERTAIN
    assert sure(REFUSED + progress) is Confidence.GUESS


def test_work_done_before_a_failure_says_nothing_of_that() -> None:
    full = "OSError: [Errno 28] No space left on device\n"
    assert sure("Fetching 15 files: 100%|###| 15/15\n" + full) is Confidence.CERTAIN
    assert sure("step 3 of 10 is next\n" + full) is Confidence.CERTAIN


MISSING = "OSError: [Errno 28] No space left on device\n"
TRACED = 'Traceback (most recent call last):\n  File "my.py", line 3, in <module>\n    run()\n'
SUCCESS = (
    "INFO:__main__:Done",
    "Done.",
    "All done!",
    "Done in 3.2 s.",
    "[INFO] Done",
    "Successfully converted the model",
    "Successfully saved /out",
    "Saved the model to /out",
    "It worked well",
    "Verifying transaction: done",
    "INFO:__main__:Saved unet model to /out/unet.mlpackage",
    "INFO:__main__:Saved text_encoder into /out/text_encoder.mlpackage",
    "INFO:__main__:Compiled /out/unet.mlpackage to /out/Resources/Unet.mlmodelc",
    "INFO:__main__:40.1 dB > 35 dB (minimum allowed) parity check passed",
    "Saved to /out",
    "Everything converted fine. Saved to /out",
    "Conversion ended successfully",
    "Successfully installed torch-2.2.0",
    "Successfully built coremltools",
    "Configuration saved in /out/unet/config.json",
    "Model weights saved in /out/unet/diffusion_pytorch_model.safetensors",
    "Resolving deltas: 100% (382/382), done.",
    "Updating files: 100% (3/3), done.",
    "Filtering content: 100% (5/5), 3.20 GiB | 9.10 MiB/s, done.",
    "Already up to date.",
    "Preparing transaction: ...working... done",
    "Executing transaction: done",
    "/out/sd15: 4 programs, each run against its module",
    "/out/vae: 1 program, each with every weight accounted for, not run",
    "/out: 4 programs, 3 of a certified graph, with every weight accounted for, 1 run",
)


@pytest.mark.parametrize("success", SUCCESS)
def test_what_a_run_says_of_its_success_makes_a_guess_of_a_line_before_it(success: str) -> None:
    assert sure(MISSING) is Confidence.CERTAIN
    assert sure(f"{MISSING}{success}\n") is Confidence.GUESS
    assert sure(f"{success}\n{MISSING}") is Confidence.CERTAIN
    assert sure(f"{MISSING}{success}\n{FAILED}") is not Confidence.GUESS


@pytest.mark.parametrize(
    "text",
    [
        "Saving to /out",
        "Converted nothing",
        "Done with errors",
        "Successfully failed to install x",
        "/out: 4 programs were not made",
        "Collecting package metadata: done",
        "Receiving objects: 100% (3/3), done.",
    ],
)
def test_what_only_looks_like_success_says_nothing(text: str) -> None:
    assert sure(f"{MISSING}{text}\n") is Confidence.CERTAIN


def test_a_traceback_is_no_less_certain_for_what_was_done_behind_it() -> None:
    assert sure(f"{TRACED}{MISSING}Done.\n") is Confidence.CERTAIN


def test_what_a_later_command_says_of_its_success_says_nothing_of_an_earlier_one() -> None:
    assert sure(f"{MISSING}$ make it\nDone.\n") is Confidence.CERTAIN
    assert sure(f"{MISSING}Done.\n$ make it\n") is Confidence.GUESS


@pytest.mark.parametrize(
    "announced",
    [
        "The README says: you may see",
        "Users might encounter this:",
        "If you get the following, use safetensors:",
        "as the FAQ says",
    ],
)
def test_what_a_line_announces_that_somebody_may_see_is_a_guess(announced: str) -> None:
    assert sure(f"{announced}\n\n{MISSING}") is Confidence.GUESS
    assert sure(f"{announced}\n{TRACED}{MISSING}") is Confidence.CERTAIN
    assert sure(f"{MISSING}{announced}\n") is Confidence.CERTAIN


@pytest.mark.parametrize("announced", ["As you can see:", "Now I get", "What I see:"])
def test_what_a_line_says_that_its_writer_sees_is_none_the_less_certain(announced: str) -> None:
    assert sure(f"{announced}\n{MISSING}") is not Confidence.GUESS
