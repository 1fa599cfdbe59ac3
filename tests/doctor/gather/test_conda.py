from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdcoreml.doctor.core.facts import Absent, CondaEnvironment
from sdcoreml.doctor.gather.conda import conda
from sdcoreml.doctor.gather.probe import Probe

NAME = "coreml_stable_diffusion"
RECORDS = (
    "python-3.10.10-he550d4f_0_cpython",
    "ca-certificates-2023.7.22-hbcca054_0",
    "ld_impl_linux-64-2.40-h41732ed_0",
)


def prefix(folder: Path, *, site: str = "lib/python3.10/site-packages") -> Path:
    """Write an environment like conda's, in which pip installed two projects."""
    (folder / "conda-meta").mkdir(parents=True)
    (folder / "conda-meta" / "history").write_text("==> 2026-11-24 <==\n")
    for name in RECORDS:
        (folder / "conda-meta" / f"{name}.json").write_text(json.dumps({"anything": 1}))
    for info in ("torch-2.2.0.dist-info", "huggingface_hub-0.17.3.dist-info"):
        (folder / site / info).mkdir(parents=True)
    (folder / "lib" / "python3.1").symlink_to("python3.10")
    return folder


def found(home: Path, **environ: str) -> CondaEnvironment | Absent:
    answer = conda("tested", Probe(home=home, environ=environ))
    assert isinstance(answer, (CondaEnvironment, Absent))
    return answer


def test_what_conda_made_is_read_without_it(tmp_path: Path) -> None:
    folder = prefix(tmp_path / "miniforge3" / "envs" / NAME)
    assert found(tmp_path) == CondaEnvironment(
        path=str(folder),
        name=NAME,
        python="3.10.10",
        builds={
            "python": "3.10.10 he550d4f_0_cpython",
            "ca-certificates": "2023.7.22 hbcca054_0",
            "ld_impl_linux-64": "2.40 h41732ed_0",
        },
        installed={"torch": "2.2.0", "huggingface-hub": "0.17.3"},
    )


@pytest.mark.parametrize(
    ("place", "environ"),
    [
        (f"miniconda3/envs/{NAME}", {}),
        (f"opt/anaconda3/envs/{NAME}", {}),
        (f".local/share/mamba/envs/{NAME}", {}),
        (f"elsewhere/envs/{NAME}", {"MAMBA_ROOT_PREFIX": "elsewhere"}),
        (f"elsewhere/envs/{NAME}", {"CONDA_EXE": "elsewhere/bin/conda"}),
        (f"elsewhere/envs/{NAME}", {"CONDA_PREFIX": f"elsewhere/envs/{NAME}"}),
        (f"elsewhere/envs/{NAME}", {"CONDA_PREFIX": "elsewhere/envs/other"}),
        (f"far/{NAME}", {"CONDA_ENVS_PATH": "far"}),
    ],
)
def test_it_is_looked_for_where_each_of_them_keeps_environments(
    tmp_path: Path, place: str, environ: dict[str, str]
) -> None:
    folder = prefix(tmp_path / place)
    where = {key: str(tmp_path / value) for key, value in environ.items()}
    answer = found(tmp_path, **where)
    assert isinstance(answer, CondaEnvironment)
    assert answer.path == str(folder)


def test_conda_s_own_list_of_environments_is_read(tmp_path: Path) -> None:
    folder = prefix(tmp_path / "anywhere" / NAME)
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda" / "environments.txt").write_text(f"/gone/{NAME}\n{folder}\n")
    answer = found(tmp_path)
    assert isinstance(answer, CondaEnvironment)
    assert answer.path == str(folder)


def test_a_folder_that_conda_did_not_make_is_none(tmp_path: Path) -> None:
    (tmp_path / "miniconda3" / "envs" / NAME / "bin").mkdir(parents=True)
    prefix(tmp_path / "miniconda3" / "envs" / "other")
    assert found(tmp_path) == Absent(reason=f"no conda environment named {NAME}")


def test_one_without_a_python_is_still_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "miniconda3" / "envs" / NAME
    (folder / "conda-meta").mkdir(parents=True)
    answer = found(tmp_path)
    assert isinstance(answer, CondaEnvironment)
    assert (answer.python, answer.builds, answer.installed) == ("", {}, {})
