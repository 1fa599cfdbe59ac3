"""Groups of choices become what the page is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdcoreml.doctor.studio.choices import File, Group, Offer, Option, as_data
from sdcoreml.doctor.studio.wording import say

SIX = Option(
    value=6,
    title=say("bits.6"),
    sentence=say("bits.6.why"),
    is_recommended=True,
    size=0,
    cost=say("cost", least=36, most=43),
)
PLAIN = Option(value=16, title="16 bits", sentence="All of them.")


def test_a_question_is_sent_with_its_options_and_what_is_chosen() -> None:
    one = Group(key="bits", kind="one", value=6, options=(SIX, PLAIN), is_folded=True)
    many = Group(key="parts", kind="many", value=("unet", "vae"))
    offer = Offer(groups=(one, many), table={"bits": 6}, changed=("8 bits", say("gone")))
    assert as_data(offer) == {
        "groups": [
            {
                "key": "bits",
                "title": {"say": "choice.bits"},
                "sentence": {"say": "choice.bits.why"},
                "kind": "one",
                "is_folded": True,
                "value": 6,
                "options": [
                    {
                        "value": 6,
                        "title": {"say": "bits.6"},
                        "sentence": {"say": "bits.6.why"},
                        "is_recommended": True,
                        "size": 0,
                        "cost": {"say": "cost", "least": 36, "most": 43},
                    },
                    {
                        "value": 16,
                        "title": "16 bits",
                        "sentence": "All of them.",
                        "is_recommended": False,
                    },
                ],
            },
            {
                "key": "parts",
                "title": {"say": "choice.parts"},
                "sentence": {"say": "choice.parts.why"},
                "kind": "many",
                "is_folded": False,
                "value": ["unet", "vae"],
                "options": [],
            },
        ],
        "changed": ["8 bits", {"say": "gone"}],
    }


def test_of_files_only_the_question_is_sent() -> None:
    files = (File(path=Path("/a.safetensors"), scale=0.5),)
    loras = Group(key="lora", kind="file", value=files, is_many=True, has_scale=True, takes="file")
    vae = Group(key="vae", kind="file", value="")
    about = {"is_many": True, "has_scale": True, "takes": "file"}
    data: Any = as_data(Offer(groups=(loras, vae), table={}))
    first, second = data["groups"]
    assert first == {
        "key": "lora",
        "title": {"say": "choice.lora"},
        "sentence": {"say": "choice.lora.why"},
        "kind": "file",
        "is_folded": False,
        **about,
        "options": [],
    }
    assert {name: second[name] for name in about} == {
        "is_many": False,
        "has_scale": False,
        "takes": "",
    }
