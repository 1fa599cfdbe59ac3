from __future__ import annotations

import json

from sdcoreml.convert.compile.layout import pretty

TEXT = """\
[
  {
    "a\\/b" : "2 é 3",
    "empty" : [

    ],
    "inner" : {
      "one" : 1,
      "quote" : "\\"",
      "nothing" : {

      }
    }
  }
]"""


def test_the_layout_is_apples() -> None:
    value = [
        {
            "a/b": "2 é 3",
            "empty": [],
            "inner": {"one": 1, "quote": '"', "nothing": {}},
        }
    ]
    assert pretty(value) == TEXT
    assert json.loads(TEXT) == value
