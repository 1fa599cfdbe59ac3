from __future__ import annotations

from collections.abc import Mapping

import pytest

from sdcoreml.doctor.knowledge.asking import find_owner, tell
from sdcoreml.doctor.knowledge.exceptions import Finder, Raised
from sdcoreml.doctor.knowledge.lines import Line
from sdcoreml.doctor.knowledge.receivers import find_receiver


def raised(log: str) -> Raised:
    """Return the last exception of a log."""
    finder = Finder()
    for number, text in enumerate(log.splitlines(), 1):
        finder.feed(Line(number=number, text=text))
    return finder.chains[-1][-1]


def told(log: str, project: str, asker: str = "", **captured: str) -> Mapping[str, str]:
    return tell(project, asker, raised(log), captured, log) or {}


@pytest.mark.parametrize(
    ("project", "captured", "skew", "cure"),
    [
        (
            "diffusers",
            {"module": "diffusers", "name": "ConsistencyDecoderVAE"},
            "diffusers is too old: it has ConsistencyDecoderVAE since 0.23.0, and who asks for it",
            "diffusers 0.23.0 or newer: `pip install 'diffusers>=0.23.0'`",
        ),
        (
            "transformers",
            {"module": "transformers", "name": "cached_path"},
            "transformers is too new: 4.22.0 removed cached_path, which who asks for",
            "transformers before 4.22.0: `pip install 'transformers<4.22.0'`",
        ),
        (
            "diffusers",
            {"module": "diffusers", "name": "models.unet_2d"},
            (
                "diffusers is too new: 0.29.0 removed unet_2d from diffusers.models, which who"
                " asks for (it is in diffusers.models.unets now)"
            ),
            "diffusers before 0.29.0: `pip install 'diffusers<0.29.0'`",
        ),
        (
            "accelerate",
            {"owner": "Accelerator", "call": "__init__", "name": "logging_dir"},
            (
                "accelerate is most likely too new: 0.20.0 removed Accelerator.__init__(logging_dir"
                "=…), which who asks for; releases before 0.7.0 have none either"
            ),
            "accelerate 0.7.0 or newer, before 0.20.0: `pip install 'accelerate>=0.7.0,<0.20.0'`",
        ),
        (
            "accelerate",
            {"owner": "Accelerator", "call": "__init__", "name": "kwargs_handler"},
            (
                "no release of accelerate (0.0.1 to 1.15.0) has Accelerator.__init__("
                "kwargs_handler=…): who was written for a changed copy of accelerate, or misspells"
                " kwargs_handlers"
            ),
            "the accelerate that its requirements name, or the copy that it brings",
        ),
        (
            "diffusers",
            {"owner": "EulerAncestralDiscreteScheduler", "name": "order"},
            (
                "diffusers is too old: it has EulerAncestralDiscreteScheduler.order since 0.10.0,"
                " and who asks for it"
            ),
            "diffusers 0.10.0 or newer: `pip install 'diffusers>=0.10.0'`",
        ),
        (
            "torch",
            {"module": "torch", "name": "argsort"},
            (
                "torch is too old, damaged, or hidden by a file of that name: all its releases"
                " since 1.4.0 have argsort"
            ),
            "torch again: `pip install --force-reinstall torch`",
        ),
    ],
    ids=["old", "new", "moved", "unsure", "misspelt", "attribute", "always"],
)
def test_the_side_the_release_and_the_remedy_are_told(
    project: str, captured: Mapping[str, str], skew: str, cure: str
) -> None:
    found = told("ImportError: x", project, "who", **captured)
    assert (found["skew"], found["cure"]) == (skew, cure)


def test_what_we_install_is_offered_only_if_it_has_the_name() -> None:
    has = told("E: x\nImportError: x", "diffusers", module="diffusers", name="ControlNetModel")
    lacks = told("E: x\nImportError: x", "diffusers", module="diffusers", name="FluxPipeline")
    assert has["tested"] == (
        "`sdcoreml env` installs diffusers 0.23.1, which has it. Otherwise install"
    )
    assert lacks["tested"] == "Install"


def test_of_a_name_that_a_package_keeps_to_itself_nothing_is_certain() -> None:
    module = "torchmetrics.utilities.imports"
    found = told("ImportError: x", "torchmetrics", module=module, name="_compare_version")
    assert found["skew"].startswith("torchmetrics is too new: 1.0.0 removed _compare_version")
    assert found["confidence"] == "likely"


HUB = """\
Traceback (most recent call last):
  File "/v/site-packages/diffusers/utils/dynamic_modules_utils.py", line 28, in <module>
    from huggingface_hub import cached_download
ImportError: cannot import name 'cached_download' from 'huggingface_hub'
"""


def test_another_release_of_who_asks_may_not_ask() -> None:
    found = told(
        HUB, "huggingface-hub", "diffusers", module="huggingface_hub", name="cached_download"
    )
    assert found["skew"].endswith("0.26.0 removed cached_download, which diffusers asks for")
    assert found["cure"].endswith(", or diffusers 0.29.0 or newer")


@pytest.mark.parametrize(
    ("stated", "side"),
    [
        ("diffusers==0.11.1", "too old"),
        ("diffusers==0.30.0", "too new"),
        ("", "most likely too new"),
    ],
)
def test_the_version_that_a_log_states_decides(stated: str, side: str) -> None:
    log = f"{stated}\nImportError: x"
    found = told(log, "diffusers", module="diffusers.utils", name="HF_HUB_OFFLINE")
    assert found["skew"].startswith(f"diffusers is {side}")


def test_nobody_claims_to_know_all_names_of_compiled_code() -> None:
    assert told("ImportError: x", "torch", module="torch", name="frobnik") == {}
    assert told("ImportError: x", "frobnik", module="frobnik", name="x") == {}


STEP = """\
Traceback (most recent call last):
  File "/x/pipeline_if.py", line 926, in __call__
    images = self.scheduler.step(noise_pred, t, clean_image=x)[0]
TypeError: step() got an unexpected keyword argument 'clean_image'
"""


def test_whose_object_is_called_is_told_by_its_usual_name() -> None:
    assert find_receiver(raised(STEP), STEP) == "diffusers"
    assert find_receiver(None, STEP) == ""
    found = told(STEP, "diffusers", call="step", name="clean_image")
    assert (
        "has step(clean_image=…): the code that ran was written for a changed copy" in found["skew"]
    )


def test_of_an_object_that_is_made_the_class_is_in_the_code() -> None:
    log = '  File "x.py", line 1, in f\n    a = Accelerator(logging_dir=1)\nTypeError: x'
    found = told(log, "accelerate", call="__init__", name="logging_dir")
    assert "Accelerator.__init__(logging_dir=…)" in found["skew"]


@pytest.mark.parametrize(
    ("owner", "packages", "project"),
    [
        ("UNet2DConditionModel", (), "diffusers"),
        ("Accelerator", ("accelerate",), "accelerate"),
        ("LoraConfig", ("peft",), "peft"),
        ("GronkWidget", ("diffusers",), ""),
        ("x", (), ""),
    ],
)
def test_a_class_is_of_the_project_that_has_it(
    owner: str, packages: tuple[str, ...], project: str
) -> None:
    assert find_owner(owner, packages) == project


LOADED = """\
  File "/v/site-packages/diffusers/pipelines/loading.py", line 8, in load_sub_model
    m = load(f)
  File "/v/site-packages/transformers/modeling_utils.py", line 9, in from_pretrained
    model = cls(config, *args, **kwargs)
TypeError: CLIPTextModel.__init__() got an unexpected keyword argument 'frob_dict'
"""


def test_an_option_that_from_pretrained_hands_on_is_said_to_be_its_own() -> None:
    said = told(
        LOADED,
        "transformers",
        "diffusers",
        owner="CLIPTextModel",
        call="__init__",
        name="frob_dict",
    )
    assert "does not know the option frob_dict, which diffusers gives it" in said["skew"]
    assert said["cure"] == "the transformers that diffusers was made for, or a newer diffusers"


def test_a_pipeline_of_no_release_is_its_authors_own() -> None:
    line = "AttributeError: module diffusers has no attribute FrobnicatePipeline\n"
    said = told(line, "diffusers", module="diffusers", name="FrobnicatePipeline")
    assert "a pipeline of its authors' own" in said["skew"]
    assert "custom_pipeline" in said["cure"]


def test_a_setting_is_in_the_config_and_an_option_is_for_from_pretrained() -> None:
    setting = told(
        "E: x\nTypeError: x", "diffusers", owner="UNet2DConditionModel", name="in_channels"
    )
    assert setting["confidence"] == "likely"
    assert (setting["tested"], setting["cure"]) == (
        *("In that code, write", ".config.in_channels in place of .in_channels"),
    )
    line = "TypeError: x"
    option = {"owner": "CLIPTextModel", "call": "__init__", "name": "offload_state_dict"}
    found = told(line, "transformers", "diffusers", **option)
    assert found["skew"].startswith(
        "from_pretrained of this transformers does not know the option offload_state_dict"
    )
    assert found["cure"] == "the transformers that diffusers was made for, or a newer diffusers"


def test_a_package_that_is_imported_by_another_name_is_of_the_releases_that_have_the_file() -> None:
    log = (
        '  File "/v/site-packages/{}/inference/_client.py", line 3, in f\n'
        "ImportError: cannot import name 'KerasModelHubMixin' from 'huggingface_hub'\n"
    )
    asked = {"module": "huggingface_hub", "name": "KerasModelHubMixin"}
    own = told(log.format("huggingface_hub"), "huggingface-hub", **asked)["skew"]
    assert own.startswith("huggingface-hub is too new: 1.0.0 removed")
    strange = told(log.format("frobnik"), "huggingface-hub", **asked)["skew"]
    assert strange.startswith("huggingface-hub is most likely too new: 1.0.0 removed")
