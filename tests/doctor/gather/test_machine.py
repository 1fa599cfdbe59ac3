from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from doctor.facts import Job, Memory, Unknown
from doctor.gather.machine import hub_cache, memory, volumes
from doctor.probe import Outcome, Probe

KB = 1024
MEMINFO = """\
MemTotal:       16000 kB
MemFree:         1000 kB
MemAvailable:    9000 kB
HugePages_Total:     0
SwapTotal:       2000 kB
SwapFree:        1500 kB
"""


def linux(root: Path, *, limit: str = "", used: str = "0") -> Probe:
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(MEMINFO)
    if limit:
        group = root / "sys/fs/cgroup"
        group.mkdir(parents=True)
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{used}\n")
    return Probe(system="Linux", environ={}, root=root)


def test_linux_memory(tmp_path: Path) -> None:
    assert memory(linux(tmp_path)) == Memory(
        total=16000 * KB, available=9000 * KB, swap_total=2000 * KB, swap_free=1500 * KB
    )


def test_a_container_has_the_memory_of_its_limit(tmp_path: Path) -> None:
    facts = memory(linux(tmp_path, limit=str(4000 * KB), used=str(1000 * KB)))
    assert isinstance(facts, Memory)
    assert (facts.total, facts.available) == (4000 * KB, 3000 * KB)


def test_a_container_without_limit_has_the_machine_s(tmp_path: Path) -> None:
    facts = memory(linux(tmp_path, limit="max"))
    assert isinstance(facts, Memory)
    assert facts.total == 16000 * KB


def test_no_proc_is_unknown(tmp_path: Path) -> None:
    assert isinstance(memory(Probe(system="Linux", root=tmp_path)), Unknown)


MAC: Mapping[str, str] = {
    "sysctl -n hw.memsize": "17179869184",
    "sysctl -n vm.swapusage": "total = 2048.00M  used = 512.00M  free = 1536.00M  (encrypted)",
    "vm_stat": "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
    "Pages free:                               1000.\n"
    "Pages active:                           300000.\n"
    "Pages inactive:                           2000.\n"
    'Faults:                                   "x".\n',
}


def mac(answers: Mapping[str, str]) -> Probe:
    def run(argv: Sequence[str], /, *, seconds: float = 1.0) -> Outcome | Unknown:
        del seconds
        said = answers.get(" ".join(argv))
        return Unknown(unknown="no such program") if said is None else Outcome(code=0, out=said)

    return Probe(system="Darwin", machine="arm64", environ={}, run=run)


def test_mac_memory() -> None:
    assert memory(mac(MAC)) == Memory(
        total=2**34, available=3000 * 16384, swap_total=2048 * 2**20, swap_free=1536 * 2**20
    )


def test_mac_memory_without_answers_is_unknown() -> None:
    assert isinstance(memory(mac({})), Unknown)


def test_volumes_of_places_that_are_not_there_yet(tmp_path: Path) -> None:
    probe = Probe(environ={"TMPDIR": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")})
    found = volumes(Job(output=str(tmp_path / "new/out")), tmp_path / "envs", probe)
    assert set(found) == {"output", "environments", "temporary", "hub"}
    assert {volume.device for volume in found.values()} == {tmp_path.stat().st_dev}
    assert found["output"].path == str(tmp_path / "new/out")
    assert found["output"].writable
    assert found["output"].free > 0


def test_the_result_goes_beside_the_model_unless_told(tmp_path: Path) -> None:
    found = volumes(Job(model=str(tmp_path / "model")), tmp_path, Probe(environ={}))
    assert found["output"].path == str(tmp_path)


def test_hub_cache_follows_its_variables() -> None:
    home = Path("/home/me")
    cases = {
        "/home/me/.cache/huggingface/hub": {},
        "/x/huggingface/hub": {"XDG_CACHE_HOME": "/x"},
        "/h/hub": {"HF_HOME": "/h", "XDG_CACHE_HOME": "/x"},
        "/c": {"HF_HUB_CACHE": "/c", "HF_HOME": "/h"},
    }
    for expected, environ in cases.items():
        assert str(hub_cache(Probe(environ=environ, home=home))) == expected
