"""The cache of files: bounded, shared by processes, never wrong, and never in the way of a full disk."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from archipel.kit.cipher import Cipher
from archipel.kit.file_cache import FileCache

MB = 1 << 20


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def value(number: int, size: int = 3000) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (size // 32)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def disk_bytes(folder: Path) -> int:
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in files(folder))


def test_what_is_kept_is_given_again(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "c", bytes_max=MB)
    assert cache.get(key(1)) is None
    cache.put(key(1), b"one")
    cache.put(key(2), b"")
    assert (cache.get(key(1)), cache.get(key(2)), cache.get(key(3))) == (b"one", b"", None)
    cache.put(key(1), b"other")
    assert FileCache(tmp_path / "c", bytes_max=MB).get(key(1)) == b"other"


def test_the_least_recently_used_goes_first_and_the_bound_holds(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, bytes_max=MB)
    for number in range(600):
        cache.put(key(number), value(number))
        path = tmp_path / key(number)[:2] / key(number)
        os.utime(path, (1e9 + number, 1e9 + number))
        assert cache.get(key(0)) == value(0)  # is in use all the time
        assert disk_bytes(tmp_path) <= MB
    there = [number for number in range(600) if cache.get(key(number)) is not None]
    assert there == [0, *range(600 - len(there) + 1, 600)]
    assert len(there) > 100
    cache.put(key(1000), bytes(MB // 50 + 1))
    assert cache.get(key(1000)) is None


@pytest.mark.parametrize("cipher", [None, Cipher({"k1": bytes(32)})])
def test_a_damaged_file_is_one_that_is_not_there(tmp_path: Path, cipher: Cipher | None) -> None:
    cache = FileCache(tmp_path, bytes_max=MB, cipher=cipher)
    for change in ("flip", "cut", "empty", "longer", "another's"):
        cache.put(key(1), value(1))
        cache.put(key(2), value(2))
        path = next(path for path in files(tmp_path) if path.name.startswith(key(1)))
        data = path.read_bytes()
        changed = {
            "flip": [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in (0, 15, 16, 47, 48, 500, len(data) - 1)],
            "cut": [data[:at] for at in (1, 15, 16, 47, 48, 500, len(data) - 1)],
            "empty": [b""],
            "longer": [data + b"\0"],
            "another's": [next(path for path in files(tmp_path) if path.name.startswith(key(2))).read_bytes()],
        }
        for one in changed[change]:
            path.write_bytes(one)
            assert cache.get(key(1)) is None
            assert not path.exists()


def test_under_a_cipher_nothing_is_in_clear(tmp_path: Path) -> None:
    old, new = bytes(range(32)), bytes(range(1, 33))
    cache = FileCache(tmp_path, bytes_max=MB, cipher=Cipher({"old": old}))
    cache.put(key(1), b"ALICE" * 100)
    first = files(tmp_path)[0].read_bytes()
    cache.put(key(1), b"ALICE" * 100)
    second = files(tmp_path)[0].read_bytes()
    assert b"ALICE" not in first
    assert not {first[i : i + 16] for i in range(500)} & {second[i : i + 16] for i in range(500)}
    assert cache.get(key(1)) == b"ALICE" * 100
    rotated = FileCache(tmp_path, bytes_max=MB, cipher=Cipher({"old": old, "new": new}))
    assert rotated.get(key(1)) is None
    assert FileCache(tmp_path, bytes_max=MB).get(key(1)) is None
    rotated.put(key(1), b"ALICE")
    assert rotated.get(key(1)) == b"ALICE"


def test_a_disk_that_is_short_gets_its_room_back(tmp_path: Path) -> None:
    FileCache(tmp_path, bytes_max=MB).put(key(1), b"one")
    FileCache(tmp_path, bytes_max=MB, free_bytes_min=1 << 60).put(key(2), b"two")
    assert files(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True).returncode:
        pytest.skip("mounting a small disk takes root")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_full_disk_costs_nothing(small_disk: Path) -> None:
    cache = FileCache(small_disk / "c", bytes_max=100 * MB)
    for number in range(200):
        cache.put(key(number), value(number, 16_000))
    there = [number for number in range(200) if cache.get(key(number)) is not None]
    assert 20 < len(there) < 65
    assert not [path for path in files(small_disk) if path.name.endswith(".new")]
    assert all(cache.get(key(number)) == value(number, 16_000) for number in there)


def test_a_folder_that_cannot_be_made_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"")
    cache = FileCache(tmp_path / "c", bytes_max=MB)
    cache.put(key(1), b"one")
    assert cache.get(key(1)) is None


CHILD = """
import sys
from pathlib import Path
from archipel.kit.file_cache import FileCache
from tests.kit.test_file_cache import key, value
cache = FileCache(Path(sys.argv[1]), bytes_max=1 << 20)
hits = 0
for round in range(6):
    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        found = cache.get(key(number))
        assert found in (None, value(number)), number
        hits += found is not None
        if found is None:
            cache.put(key(number), value(number))
print(hits)
"""


@pytest.mark.parametrize("span", [40, 120])
def test_processes_share_it_within_its_bound(tmp_path: Path, span: int) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "c")]
    children = [
        subprocess.Popen([*command, str(start), str(start + span)], stdout=subprocess.PIPE, text=True) for start in (0, span // 2, span)
    ]
    hits = [int(child.communicate(timeout=60)[0]) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    if span == 40:  # all fits: each value is made once or, by luck, by several at once, and found ever after
        assert min(hits) >= 5 * span
    assert disk_bytes(tmp_path / "c") <= MB
    assert not [path for path in files(tmp_path) if path.name.endswith(".new")]
