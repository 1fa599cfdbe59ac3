"""What is dated by what it is made from: classes of a model's own, kinds of models, settings."""

from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge import entries
from sdcoreml.doctor.knowledge.diagnosis import examine
from sdcoreml.doctor.knowledge.ranking import Match
from sdcoreml.doctor.knowledge.relatives import find_projects, is_relative, tell_base


def first(log: str) -> Match:
    """Return the cause of a log."""
    cause = examine(log, entries()).cause
    assert cause is not None
    return cause


def test_a_kind_of_model_is_dated_by_its_module() -> None:
    match = first(
        "ValueError: The checkpoint you are trying to load has model type `qwen3` but Transformers"
        " does not recognize this architecture."
    )
    assert match.cause == "transformers is too old: it knows models of the kind qwen3 since 4.51.0."
    assert "transformers>=4.51.0" in match.fix


def test_a_kind_of_model_that_no_release_has_is_said_to_be_newer_or_its_own() -> None:
    match = first(
        "ValueError: The checkpoint you are trying to load has model type `frobnik` but"
        " Transformers does not recognize this architecture."
    )
    assert match.cause.startswith("This transformers does not know the kind of model")
    assert "trust_remote_code" in match.fix


def test_a_key_is_a_kind_of_model_where_transformers_looks_for_one() -> None:
    frame = '  File "/v/site-packages/transformers/models/auto/{}", line 1, in __getitem__\n'
    code = "    raise KeyError(key)\n"
    there = first(
        f"Traceback (most recent call last):\n{frame.format('configuration_auto.py')}{code}"
        "KeyError: 'qwen2'\n"
    )
    assert there.entry.id == "family-model-type"
    elsewhere = first(
        f"Traceback (most recent call last):\n{frame.format('other.py')}{code}KeyError: 'qwen2'\n"
    )
    assert elsewhere.entry.id != "family-model-type"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("FrobTokenizer", "FrobTokenizer, which the model's configuration names, is none of"),
        ("Qwen2Tokenizer", "transformers is too old: it has Qwen2Tokenizer since 4.37.0"),
    ],
)
def test_a_tokenizers_class_is_newer_or_the_models_own(name: str, said: str) -> None:
    match = first(
        f"ValueError: Tokenizer class {name} does not exist or is not currently imported."
    )
    assert match.cause.startswith(said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("force_upcast", "diffusers is too old: configurations have force_upcast since 0.19.2"),
        ("in_channels", "the part is of another kind than the code takes it for"),
        ("frobnik", "none of diffusers' own parts has one"),
    ],
)
def test_a_setting_is_dated_by_who_is_made_with_it(name: str, said: str) -> None:
    match = first(f"AttributeError: 'FrozenDict' object has no attribute '{name}'")
    assert said in match.cause


def test_what_a_base_class_lost_dates_a_class_of_a_models_own() -> None:
    match = first(
        "AttributeError: 'FrobModel' object has no attribute 'prepare_inputs_for_generation'"
    )
    assert match.cause.startswith("transformers is most likely too new")
    assert match.confidence.value == "likely"


def test_what_a_base_class_gained_says_nothing() -> None:
    captured = {"owner": "FrobModel", "name": "all_tied_weights_keys"}
    assert tell_base("", None, captured, "") == {}


def test_a_name_of_a_programs_own_module_says_so() -> None:
    match = first("ImportError: cannot import name 'Frob' from 'frob.util' (/home/me/frob/util.py)")
    assert match.cause.startswith("frob.util is a file or folder of a program's own")


def test_a_class_made_of_fields_is_dated_by_them() -> None:
    match = first("TypeError: LoraConfig.__init__() got an unexpected keyword argument 'use_dora'")
    assert match.cause.startswith("peft is too old: it has LoraConfig.use_dora since")


def test_only_who_has_a_function_in_some_releases_was_called() -> None:
    called = {"call": "dispatch_model", "name": "offload_index"}
    assert find_projects(called, None, "") == ("accelerate",)
    assert find_projects({"call": "forward", "name": "offload_index"}, None, "") == ()


def test_a_call_to_a_configuration_is_none_for_a_setting() -> None:
    assert is_relative({"owner": "FrozenDict", "name": "x"})
    assert not is_relative({"owner": "FrozenDict", "call": "get", "name": "x"})
    assert not is_relative({"owner": "Frob", "name": "x"})


def test_a_method_that_is_given_more_than_it_takes_is_its_packages() -> None:
    match = first(
        "TypeError: Accelerator.accumulate() takes 2 positional arguments but 3 were given"
    )
    assert match.cause.startswith("Accelerator.accumulate of this accelerate takes fewer")


def test_a_programs_own_method_that_is_given_more_is_of_another_revision() -> None:
    match = first(
        "Traceback (most recent call last):\n"
        '  File "/home/me/frob/train.py", line 3, in <module>\n'
        "    trainer.check(1, 2)\n"
        "TypeError: FrobTrainer.check() takes 2 positional arguments but 3 were given\n"
    )
    assert "files are of two revisions" in match.cause
