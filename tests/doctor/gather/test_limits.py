from __future__ import annotations

from pathlib import Path

import pytest

from sdcoreml.doctor.gather.limits import MemoryLimit, core_limit, memory_limit

MB = 1_000_000


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V2 = {
    "proc/self/cgroup": "0::/user.slice/job\n",
    "sys/fs/cgroup/memory.stat": "anon 5\n",
    "sys/fs/cgroup/user.slice/memory.max": "max\n",
    "sys/fs/cgroup/user.slice/memory.current": "900000000\n",
    "sys/fs/cgroup/user.slice/job/memory.max": "500000000\n",
    "sys/fs/cgroup/user.slice/job/memory.current": "200000000\n",
    "sys/fs/cgroup/user.slice/job/memory.stat": "anon 1\ninactive_file 50000000\n",
}


def test_a_job_s_group_limits_it(tmp_path: Path) -> None:
    found = memory_limit(write(tmp_path, V2))
    assert found == MemoryLimit(limit=500 * MB, used=150 * MB)
    assert found.left == 350 * MB


def test_a_group_above_may_leave_less(tmp_path: Path) -> None:
    tight = {"sys/fs/cgroup/user.slice/memory.max": "1000000000\n"}
    assert memory_limit(write(tmp_path, V2 | tight)) == MemoryLimit(limit=1000 * MB, used=900 * MB)


V1 = {
    "proc/self/cgroup": "9:name=systemd:/\n4:memory:/slurm/job_1\n1:cpu,cpuacct:/slurm\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "20000000000\n",
    "sys/fs/cgroup/memory/slurm/job_1/memory.limit_in_bytes": "500000000\n",
    "sys/fs/cgroup/memory/slurm/job_1/memory.usage_in_bytes": "300000000\n",
    "sys/fs/cgroup/memory/slurm/job_1/memory.stat": "total_inactive_file 100000000\n",
    "sys/fs/cgroup/cpu/slurm/cpu.cfs_quota_us": "150000\n",
    "sys/fs/cgroup/cpu/slurm/cpu.cfs_period_us": "100000\n",
}


def test_version_1_has_its_own_names(tmp_path: Path) -> None:
    root = write(tmp_path, V1)
    assert memory_limit(root) == MemoryLimit(limit=500 * MB, used=200 * MB)
    assert core_limit(root) == 1.5


def test_a_container_that_sees_itself_as_the_root(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/docker/0123456789ab\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "500000000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "600000000\n",
    }
    found = memory_limit(write(tmp_path, files))
    assert found is not None
    assert (found.limit, found.left) == (500 * MB, 0)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/\n"},
        {"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/memory.max": "max\n"},
        {
            "proc/self/cgroup": "nonsense\n\u00fc\n",
            "sys/fs/cgroup/memory.max": "max\n",
            "sys/fs/cgroup/memory.current": "1\n",
            "sys/fs/cgroup/cpu.max": "max 100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    ],
)
def test_without_a_limit_there_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    root = write(tmp_path, files)
    assert memory_limit(root) is None
    assert core_limit(root) is None


def test_the_tightest_share_of_cores_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/a\n",
        "sys/fs/cgroup/cpu.max": "400000 100000\n",
        "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
    }
    assert core_limit(write(tmp_path, files)) == 2.0
