"""The spool: one memory budget, files past it, nothing left behind."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from pathlib import Path

import pytest

from archipel.kit.disk import disk_error
from archipel.kit.errors import LimitReached
from archipel.kit.spool import Spool


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_small_objects_stay_in_memory_and_large_ones_go_to_a_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, memory_bytes_each=1000)
    small, large = spool.new(), spool.new()
    small.write(b"x" * 1000)
    for _ in range(11):
        large.write(b"y" * 100)
    assert small.memory == b"x" * 1000
    assert large.memory is None
    assert large.scratch is not None
    assert files(tmp_path) == [large.scratch.path.name]
    with large.open() as read:
        assert read.read(100) == b"y" * 100
    assert b"yyyy" not in large.scratch.path.read_bytes()
    for one, data in ((small, b"x" * 1000), (large, b"y" * 1100)):
        assert one.size_bytes == len(data)
        with one.open() as first, one.open() as second:
            assert first.read() == second.read() == data
        one.close()
        one.close()
    assert files(tmp_path) == []
    assert spool.used_bytes == 0


def test_the_budget_is_shared_and_what_has_no_room_goes_to_a_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path, memory_bytes_max=1000, memory_bytes_each=600)
    one, two = spool.new(), spool.new()
    one.write(b"x" * 600)
    two.write(b"y" * 300)
    assert spool.used_bytes == 900
    two.write(b"y" * 200)
    assert two.memory is None
    assert spool.used_bytes == 600
    with two.open() as file:
        assert file.read() == b"y" * 500
    one.close()
    two.close()
    assert spool.used_bytes == 0


def test_the_budget_holds_with_many_threads(tmp_path: Path) -> None:
    spool = Spool(tmp_path, memory_bytes_max=50_000, memory_bytes_each=5000)
    highest = []

    def arrive(n: int) -> None:
        for size in range(100, 8000, 700):
            one = spool.new()
            for _ in range(size // 100):
                one.write(bytes([n]) * 100)
                highest.append(spool.used_bytes)
            with one.open() as file:
                assert file.read() == bytes([n]) * (size // 100 * 100)
            one.close()

    threads = [threading.Thread(target=arrive, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(highest) <= 50_000
    assert spool.used_bytes == 0
    assert files(tmp_path) == []


def test_an_object_past_the_bound_is_too_large(tmp_path: Path) -> None:
    spool = Spool(tmp_path, memory_bytes_each=100, object_bytes_max=1000)
    one = spool.new()
    one.write(b"x" * 1000)
    with pytest.raises(LimitReached) as caught:
        one.write(b"x")
    assert caught.value.code == "too-large"
    assert "1000" in caught.value.public
    one.close()
    assert files(tmp_path) == []
    assert spool.used_bytes == 0


@pytest.mark.faults
def test_a_full_disk_leaves_nothing_when_the_object_is_closed(tmp_path: Path) -> None:
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], capture_output=True).returncode:
        pytest.skip("a file system of 1 MB cannot be mounted here")
    try:
        spool = Spool(tmp_path, memory_bytes_each=1000)
        one = spool.new()
        with pytest.raises(OSError, match="No space"):
            for _ in range(50):
                one.write(b"x" * 100_000)
        one.close()
        assert files(tmp_path) == []
        assert spool.used_bytes == 0
        assert os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_bsize > 900_000
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize(("number", "kind", "code"), [(errno.ENOSPC, "limit_reached", "out-of-space"), (errno.EIO, "unavailable", "spool")])
def test_a_failing_disk_has_one_translation(number: int, kind: str, code: str) -> None:
    found = disk_error(OSError(number, "said by the disk"), code="spool")
    assert (found.kind, found.code) == (kind, code)
    assert "said by the disk" in found.detail
