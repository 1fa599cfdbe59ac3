from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sdcoreml.doctor.core.facts import Absent, Memory, Unknown
from sdcoreml.doctor.gather import machine
from sdcoreml.doctor.gather.machine import EACH_WORKER, cores, memory, system, workers
from sdcoreml.doctor.gather.probe import Probe, RunResult

KB = 1024
MEMINFO = """\
MemTotal:       16000 kB
MemFree:         1000 kB
MemAvailable:    9000 kB
HugePages_Total:     0
SwapTotal:       2000 kB
SwapFree:        1500 kB
"""


def linux(root: Path, *, limit: str = "", used: str = "0", cached: str = "0") -> Probe:
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(MEMINFO)
    if limit:
        group = root / "sys/fs/cgroup"
        group.mkdir(parents=True)
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{used}\n")
        (group / "memory.stat").write_text(f"anon 1\nactive_file 2\ninactive_file {cached}\n")
    return Probe(system="Linux", environ={}, root=root)


def test_linux_memory(tmp_path: Path) -> None:
    assert memory(linux(tmp_path)) == Memory(
        total=16000 * KB, available=9000 * KB, swap_total=2000 * KB, swap_free=1500 * KB
    )


def test_a_container_has_the_memory_of_its_limit(tmp_path: Path) -> None:
    facts = memory(linux(tmp_path, limit=str(4000 * KB), used=str(1000 * KB)))
    assert isinstance(facts, Memory)
    assert (facts.total, facts.available) == (4000 * KB, 3000 * KB)


def test_files_that_a_container_caches_give_way(tmp_path: Path) -> None:
    probe = linux(tmp_path, limit=str(4000 * KB), used=str(3000 * KB), cached=str(2500 * KB))
    facts = memory(probe)
    assert isinstance(facts, Memory)
    assert facts.available == 3500 * KB
    (tmp_path / "sys/fs/cgroup/memory.stat").unlink()
    facts = memory(probe)
    assert isinstance(facts, Memory)
    assert facts.available == 1000 * KB


def test_a_container_without_limit_has_the_machine_s(tmp_path: Path) -> None:
    facts = memory(linux(tmp_path, limit="max"))
    assert isinstance(facts, Memory)
    assert facts.total == 16000 * KB


def test_no_proc_is_unknown(tmp_path: Path) -> None:
    assert isinstance(memory(Probe(system="Linux", root=tmp_path)), Unknown)


def test_there_are_as_many_workers_as_cores_and_memory_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(64), raising=False)
    probe = linux(tmp_path)
    (tmp_path / "proc/meminfo").write_text(MEMINFO)
    assert workers(probe) == 1  # 9 MB are free
    for times, expected in ((1, 1), (3, 3), (100, 16)):
        free = times * EACH_WORKER // KB
        (tmp_path / "proc/meminfo").write_text(MEMINFO.replace("9000 kB", f"{free} kB"))
        assert workers(probe) == expected
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(2), raising=False)
    assert workers(probe) == 2
    (tmp_path / "proc/meminfo").unlink()
    assert workers(probe) == 1


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
    def run(argv: Sequence[str], /, *, seconds: float = 1.0) -> RunResult | Unknown:
        del seconds
        said = answers.get(" ".join(argv))
        return Unknown(reason="no such program") if said is None else RunResult(code=0, out=said)

    return Probe(system="Darwin", machine="arm64", environ={}, run=run)


def test_mac_memory() -> None:
    assert memory(mac(MAC)) == Memory(
        total=2**34, available=3000 * 16384, swap_total=2048 * 2**20, swap_free=1536 * 2**20
    )


def test_mac_memory_without_answers_is_unknown() -> None:
    assert isinstance(memory(mac({})), Unknown)


def test_the_processor_has_its_name(tmp_path: Path) -> None:
    mac_probe = mac({**MAC, "sysctl -n machdep.cpu.brand_string": "Apple M2 Pro"})
    assert system(mac_probe).processor == "Apple M2 Pro"
    assert system(Probe(system="Linux", root=tmp_path)).processor == ""
    (tmp_path / "proc").mkdir()
    info = "processor\t: 0\nmodel name\t: AMD EPYC 7B13 64-Core Processor\nmodel name\t: other\n"
    (tmp_path / "proc/cpuinfo").write_text(info)
    assert system(Probe(system="Linux", root=tmp_path)).processor == "AMD EPYC 7B13 64-Core"


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("0 0", None), ("", None)],
)
def test_cores_are_those_of_the_container(tmp_path: Path, limit: str, expected: int | None) -> None:
    everything = cores(tmp_path)
    assert everything >= 1
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text(f"{limit}\n")
    assert cores(tmp_path) == (expected or everything)


def test_what_a_mac_says_of_itself() -> None:
    answers = {"sw_vers -productVersion": "15.2", "sysctl -n sysctl.proc_translated": "1"}
    found = system(mac(answers))
    assert (found.name, found.version, found.machine) == ("macOS", "15.2", "arm64")
    assert found.translated
    assert not system(mac({**answers, "sysctl -n sysctl.proc_translated": "0"})).translated


def test_a_volume_on_which_case_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "machine.py"))
    assert system(Probe(system="Linux", root=tmp_path)).case_sensitive
    (tmp_path / "MACHINE.PY").touch()
    assert not system(Probe(system="Linux", root=tmp_path)).case_sensitive


def test_an_older_kernel_says_less_of_its_memory(tmp_path: Path) -> None:
    probe = linux(tmp_path)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 16000 kB\nMemFree: 1000 kB\n")
    assert memory(probe) == Memory(total=16000 * KB, available=1000 * KB, swap_total=0, swap_free=0)
    (tmp_path / "proc/meminfo").unlink()
    assert memory(probe) == Unknown(reason="/proc/meminfo: no such file")


def test_a_container_has_no_more_than_its_machine(tmp_path: Path) -> None:
    facts = memory(linux(tmp_path, limit=str(99_000 * KB), used="0"))
    assert isinstance(facts, Memory)
    assert (facts.total, facts.available) == (16000 * KB, 9000 * KB)


def test_all_that_a_mac_can_give_back_counts_as_free() -> None:
    pages = (
        "Mach Virtual Memory Statistics: (page size of 4096 bytes)\n"
        "Pages free: 1.\nPages active: 1000.\nPages inactive: 20.\n"
        "Pages speculative: 300.\nPages wired down: 7000.\nPages purgeable: 40000.\n"
    )
    known = Memory(total=2**34, available=40_321 * 4096, swap_total=0, swap_free=0)
    assert memory(mac({"sysctl -n hw.memsize": "17179869184", "vm_stat": pages})) == known
    unsaid = pages.replace("(page size of 4096 bytes)", "")
    assert memory(mac({"sysctl -n hw.memsize": "17179869184", "vm_stat": unsaid})) == known
    bare = memory(mac({"sysctl -n hw.memsize": "17179869184"}))
    assert bare == Memory(total=2**34, available=0, swap_total=0, swap_free=0)
    assert memory(mac({})) == Unknown(reason="sysctl hw.memsize gave no number")


def test_a_program_that_fails_says_nothing() -> None:
    def run(_: Sequence[str], /, *, seconds: float = 1.0) -> RunResult | Unknown:
        del seconds
        return RunResult(code=1, out="17179869184")

    probe = Probe(system="Darwin", machine="arm64", environ={}, run=run)
    assert memory(probe) == Unknown(reason="sysctl hw.memsize gave no number")


def test_only_macos_has_xcode() -> None:
    assert machine.not_on_macos(mac({})) is None
    assert machine.not_on_macos(Probe(system="Linux")) == Absent(reason="only macOS has Xcode")
