"""Scratch files: what is written is read again, at any place, and none of it lies on the disk in clear."""

from __future__ import annotations

import gc
import os
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from archipel.kit.scratch import Scratch, heard, temporary, told

TEXT = b"Durand^Zoe 19800131 " * 5000


def test_what_is_written_at_any_place_is_read_at_any_place_and_does_not_lie_in_clear(tmp_path: Path) -> None:
    wanted = bytearray(random.Random(7).randbytes(400_000)) + TEXT
    place = Scratch(tmp_path / "one")
    with place.open("xb") as file:
        for start in [*range(0, len(wanted), 70_001)][::-1]:
            file.seek(start)
            file.write(wanted[start : start + 70_001])
    assert place.stat().st_size == len(wanted)
    with place.open() as first, place.open() as second:
        assert first.read() == wanted
        for start, length in ((0, 5), (399_990, 40), (123_457, 300_000), (16, 16), (17, 1)):
            assert second.seek(start) == start
            assert second.read(length) == wanted[start : start + length]
        second.seek(-20, 2)
        assert second.read() == TEXT[-20:]
    assert b"Durand" not in place.path.read_bytes()
    plain = Cipher(algorithms.AES(place.key), modes.CTR(bytes(16))).decryptor().update(place.path.read_bytes())
    assert plain == wanted  # the standard's counter mode and nothing else
    place.unlink()
    place.unlink(missing_ok=True)


def test_a_place_is_told_to_a_child_with_its_key_and_no_two_have_one(tmp_path: Path) -> None:
    one, other = Scratch(tmp_path / "one"), Scratch(tmp_path / "other")
    assert one.key != other.key
    assert one.key.hex() not in repr(one)
    assert heard(*told(one)) == one
    assert heard(*told(tmp_path)) == tmp_path


@pytest.mark.parametrize("memory_bytes_max", [0, 50_000, 1 << 20])
def test_a_temporary_file_grows_from_memory_to_the_disk_and_leaves_nothing(tmp_path: Path, memory_bytes_max: int) -> None:
    with temporary(memory_bytes_max, tmp_path) as file:
        for at in range(0, len(TEXT), 999):
            file.write(TEXT[at : at + 999])
        file.seek(10)
        file.write(b"Durand^Zoe")
        file.flush()
        file.seek(0)
        expected = TEXT[:10] + b"Durand^Zoe" + TEXT[20:]
        assert file.read() == expected
        if memory_bytes_max < len(TEXT):
            assert b"Durand" not in _unnamed(tmp_path)
        file.truncate(30)
        file.seek(0)
        assert file.read() == expected[:30]
    assert list(tmp_path.iterdir()) == []
    gc.collect()
    assert not _unnamed(tmp_path)


def _unnamed(folder: Path) -> bytes:
    """What this process's files without a name hold in a folder, as it lies on the disk."""
    found = b""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if os.readlink(entry).startswith(f"{folder}/"):
                found += entry.read_bytes()
        except OSError:
            continue
    return found
