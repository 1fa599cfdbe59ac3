"""What a traceback was doing tells a cause where the log cuts it off, and there alone."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import Confidence, entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.stages import Stage

CUT = {one.id: one for one in entries() if one.stage is Stage.CUT}
BEGIN = 'Traceback (most recent call last):\n  File "/w/paint.py", line 3, in <module>\n'


@pytest.mark.parametrize(
    ("end", "name", "said"),
    [
        (
            '  File "/v/torch/serialization.py", line 9, in _legacy_load\n',
            "old-pickle",
            "its first",
        ),
        ('    pipe.to("cuda")\n  File "/v/diffusers/a.py"\n', "starting-cuda", "finds none"),
        (
            '  File "/v/urllib3/connection.py", line 9, in _connect_tls_proxy\n',
            "by-tls",
            "https://",
        ),
        ('  File "/v/urllib3/connection.py", line 9, in _new_conn\n', "connecting", "not reached"),
        ('  File "/v/json/decoder.py", line 9, in decode\n', "reading-json", "empty or damaged"),
        ("    from frob.parts import Wheel, Cog\n", "importing", "frob.parts failed"),
        ("    import frob\n           ^^^^\n", "importing", "import of frob failed"),
        ('    weights = sd["model.frob"]\n', "looking-up-key", "has no model.frob"),
        ('  File "/v/subprocess.py", line 9, in _execute_child\n', "calling-program", "not found"),
    ],
)
def test_the_last_frames_tell_what_failed(end: str, name: str, said: str) -> None:
    cause = examine(BEGIN + end, entries()).cause
    assert cause is not None
    assert cause.entry.id.startswith("cut-")
    assert cause.entry.id.endswith(name)
    assert said in cause.cause
    assert cause.confidence is Confidence.GUESS


def test_where_the_exception_is_told_its_frames_say_nothing() -> None:
    for entry in CUT.values():
        log = f"{entry.example.rstrip()}\nFrobError: it frobbed\n"
        assert entry.id not in {one.entry.id for one in examine(log, entries()).matches}, entry.id


def test_the_safetensors_that_a_command_names_are_the_file_that_is_no_pickle() -> None:
    log = f'$ python a.py --ckpt ./ink.safetensors\n{BEGIN}    x\n  File "s.py", line 1, in '
    cause = examine(f"{log}_legacy_load\n", entries()).cause
    assert cause is not None
    assert cause.cause.startswith("./ink.safetensors is safetensors, and the script reads it")


def test_only_the_frames_of_the_cut_traceback_tell() -> None:
    whole = f'{BEGIN}  File "a.py", line 1, in _new_conn\nFrobError: it frobbed\n'
    cut = f"{BEGIN}    frob()\n"
    assert not {one.entry.id for one in examine(whole + cut, entries()).matches} & {*CUT}


def test_a_traceback_whose_cause_is_told_is_not_cut() -> None:
    because = "\nThe above exception was the direct cause of the following exception:\n\n"
    cut = f'{BEGIN}  File "/v/json/decoder.py", line 9, in decode\n'
    known = f"{BEGIN}OSError: [Errno 28] No space left on device\n"
    told = examine(known + because + cut, entries()).matches
    assert not {one.entry.id for one in told} & {*CUT}


def test_below_the_exception_as_a_title_the_frames_are_its_own() -> None:
    log = f'FrobError: it frobbed\n\n{BEGIN}  File "a.py", line 1, in _new_conn\n'
    assert not {one.entry.id for one in examine(log, entries()).matches} & {*CUT}


def test_the_raise_that_a_log_ends_with_is_told_as_the_exception() -> None:
    code = '    raise OSError(f"[Errno 28] No space left on device: {path!r}")\n'
    cause = examine(f'{BEGIN}  File "a.py", line 1, in save\n{code}', entries()).cause
    assert cause is not None
    assert cause.entry.id == "disk-full"
    assert cause.text.strip() == code.strip()
