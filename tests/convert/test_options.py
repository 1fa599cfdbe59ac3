from __future__ import annotations

from convert.families import Part
from convert.options import Options, program_options
from convert.programs.options import parse_options


class TestProgramOptions:
    def test_what_the_model_needs_comes_before_what_was_asked_for(self) -> None:
        options = Options(attention="ORIGINAL", height=8, width=8, clip_skip=2)
        part = Part(program="unet", source="unet", options={"prediction": "v_prediction"})
        fields = program_options(options, part)
        assert fields["prediction"] == "v_prediction"
        assert (fields["attention"], fields["clip_skip"]) == ("ORIGINAL", 2)
        assert parse_options(fields).height == 8
