"""The memory of the machine: whatever allows least of all that hold for this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tensorbp.planning.memory.machine import USABLE, memory_bytes, usable_bytes

UNLIMITED = {"memory.max": "max", "memory.limit_in_bytes": "9223372036854771712"}
GROUPS = ["", "user.slice", "user.slice/session", "user.slice/session/job"]


def system(root: Path, version: int, limits: dict[str, int | None]) -> None:
    """Write the files that a kernel shows of nested control groups."""
    name = ("memory.limit_in_bytes", "memory.max")[version - 1]
    mounted = root / "sys/fs/cgroup" / ("memory" if version == 1 else "")
    for group, limit in limits.items():
        (mounted / group).mkdir(parents=True, exist_ok=True)
        (mounted / group / name).write_text(f"{limit or UNLIMITED[name]}\n")
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    line = f"7:memory:/{GROUPS[-1]}" if version == 1 else f"0::/{GROUPS[-1]}"
    (root / "proc/self/cgroup").write_text(f"12:cpu,cpuacct:/elsewhere\n{line}\n")


@given(
    st.sampled_from([1, 2]),
    st.fixed_dictionaries({group: st.none() | st.integers(1, 2**31) for group in GROUPS}),
)
def test_every_group_that_this_one_is_in_limits_it(
    tmp_path_factory: pytest.TempPathFactory, version: int, limits: dict[str, int | None]
) -> None:
    root = tmp_path_factory.mktemp("root")
    installed = memory_bytes(root)
    assert installed is not None
    system(root, version, limits)
    assert memory_bytes(root) == min([installed, *filter(None, limits.values())])


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_shows_its_group_as_the_root(tmp_path: Path, version: int) -> None:
    system(tmp_path, version, {"": 12345})
    (tmp_path / "proc/self/cgroup").unlink()
    assert memory_bytes(tmp_path) == 12345


def test_other_groups_do_not_count(tmp_path: Path) -> None:
    system(tmp_path, 2, {"elsewhere": 77})
    assert memory_bytes(tmp_path) == memory_bytes(tmp_path / "empty")


def test_nothing_is_said_where_nothing_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.sysconf")
    assert memory_bytes(tmp_path) is None
    system(tmp_path, 2, {"": 4096})
    assert memory_bytes(tmp_path) == 4096


def test_a_part_of_it_may_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    available = memory_bytes()
    assert available is not None
    assert usable_bytes() == int(USABLE * available)
