from __future__ import annotations

import pytest

from sdcoreml.doctor.knowledge.mentioned import find_all_stated, find_python, is_of_elsewhere


@pytest.mark.parametrize(
    ("log", "versions"),
    [
        ("hf-hub==0.17.3", ()),
        ("huggingface-hub 0.17.3\nhuggingface_hub==0.24.6", ("0.17.3", "0.24.6")),
        (
            "Requirement already satisfied: huggingface-hub>=0.2 in /x/site-packages (0.20.3)",
            ("0.20.3",),
        ),
        ("Downloading huggingface_hub-0.24.6-py3-none-any.whl", ("0.24.6",)),
        ("- `huggingface_hub` version: 0.1.2", ()),
        ("- huggingface_hub version: 0.1.2.", ("0.1.2",)),
        ("/x/site-packages/huggingface_hub-0.5.0.dist-info", ("0.5.0",)),
    ],
)
def test_all_versions_that_a_log_names_are_found(log: str, versions: tuple[str, ...]) -> None:
    assert find_all_stated("huggingface-hub", log) == versions


@pytest.mark.parametrize(
    ("log", "python"),
    [
        ("/usr/local/lib/python3.8/dist-packages/torch/x.py", "3.8"),
        (r"C:\Python310\lib\site-packages\torch\x.py", "3.10"),
        (r"E:\venv\lib\site-packages\torch\x.py", ""),
        ("/usr/lib/python3.8/ast.py", ""),
    ],
)
def test_the_python_that_ran_is_that_of_the_packages(log: str, python: str) -> None:
    assert find_python(log) == python


@pytest.mark.parametrize(
    ("log", "is_elsewhere"),
    [
        ("TypeError: Descriptors cannot be created directly", False),
        ('  File "/opt/x/lib/python3.11/site-packages/onnx/x.py", line 1, in f', True),
        ("from 'transformers' (/opt/x/lib/python3.11/site-packages/x.py)", True),
        (r'  File "C:\v\Lib\site-packages\onnx\x.py", line 1, in f', True),
        ('  File "/w/envs/tested/lib/python3.10/site-packages/onnx/x.py", line 1, in f', False),
        ('  File "/w/envs-old/tested/lib/python3.10/site-packages/onnx/x.py", line 1', True),
    ],
)
def test_a_log_whose_packages_all_lie_elsewhere_is_of_another_environment(
    log: str, *, is_elsewhere: bool
) -> None:
    assert is_of_elsewhere(log, "/w/envs") is is_elsewhere
