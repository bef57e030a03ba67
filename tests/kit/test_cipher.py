"""Objects at rest: encrypted under keys from elsewhere, read in any range, and the keys change over time."""

from __future__ import annotations

import hashlib
import random
import subprocess
from pathlib import Path

import pytest

from archipel.kit.blobs import FileBlobs
from archipel.kit.cipher import Cipher, read_keys
from archipel.kit.encrypted import EncryptedBlobs
from archipel.kit.errors import Invalid, NotFound

ONE, TWO = bytes(range(32)), bytes(range(32, 64))
PLAIN = hashlib.shake_128(b"archipel").digest(100_003)


def test_openssl_decrypts_what_was_written(tmp_path: Path) -> None:
    """AES-256-CTR from a zero counter under HKDF-SHA256 (RFC 5869) of the master key and the name: worked out by another program."""
    files = FileBlobs(tmp_path / "blobs")
    EncryptedBlobs(files, Cipher({"k1": ONE})).put("a/b", [PLAIN[:10], PLAIN[10:]])
    stored = tmp_path / "blobs" / "a" / "b.k1"
    hkdf = ["openssl", "kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", f"hexkey:{ONE.hex()}", "-kdfopt", "salt:",
            "-kdfopt", "info:archipel object a/b.k1", "-binary", "HKDF"]  # fmt: skip
    key = subprocess.run(hkdf, check=True, capture_output=True).stdout
    command = ["openssl", "enc", "-d", "-aes-256-ctr", "-K", key.hex(), "-iv", "00" * 16, "-in", str(stored)]
    assert subprocess.run(command, check=True, capture_output=True).stdout == PLAIN
    assert stored.read_bytes() != PLAIN
    assert PLAIN[:32] not in stored.read_bytes()


def test_any_range_is_read_alone(tmp_path: Path) -> None:
    blobs = EncryptedBlobs(FileBlobs(tmp_path / "blobs"), Cipher({"k1": ONE}))
    blobs.put("a", [PLAIN])
    randomly = random.Random(2)
    for _ in range(200):
        start, length = randomly.randrange(len(PLAIN)), randomly.randrange(3000)
        assert blobs.read("a", start, length) == PLAIN[start : start + length]
        assert b"".join(blobs.stream("a", start, length, 700)) == PLAIN[start : start + length]


def test_a_segment_that_grows_is_encrypted_where_it_grows(tmp_path: Path) -> None:
    files = FileBlobs(tmp_path / "blobs")
    blobs = EncryptedBlobs(files, Cipher({"k1": ONE}))
    placed = [blobs.append("received/x", [PLAIN[n : n + 7], PLAIN[n + 7 : n + 1000]]) for n in range(0, 20_000, 1000)]
    for n, one in enumerate(placed):
        one.sync()
        assert blobs.read(one.key, one.offset, 1000) == PLAIN[n * 1000 : n * 1000 + 1000]
    ((name, size),) = files.list("")
    assert (name, size) == (f"{placed[0].key}.k1", 20_000)
    assert list(blobs.list("")) == [(placed[0].key, 20_000)]


def test_equal_objects_under_other_names_differ_at_rest(tmp_path: Path) -> None:
    files = FileBlobs(tmp_path / "blobs")
    blobs = EncryptedBlobs(files, Cipher({"k1": ONE}))
    blobs.put("a", [bytes(1000)])
    blobs.put("b", [bytes(1000)])
    assert files.read("a.k1", 0, 1000) != files.read("b.k1", 0, 1000)


def test_keys_change_and_what_was_there_before_is_read(tmp_path: Path) -> None:
    files = FileBlobs(tmp_path / "blobs")
    files.put("plain", [PLAIN])
    EncryptedBlobs(files, Cipher({"k1": ONE})).put("old", [PLAIN])
    both = EncryptedBlobs(files, Cipher({"k1": ONE, "k2": TWO}))
    both.put("new", [PLAIN])
    assert files.size("new.k2") == len(PLAIN)
    for key in ("plain", "old", "new"):
        assert both.read(key, 5, 100) == PLAIN[5:105]
        assert both.size(key) == len(PLAIN)
    assert {key for key, _ in both.list("")} == {"plain", "old", "new"}
    with pytest.raises(NotFound):
        EncryptedBlobs(files, Cipher({"k2": TWO})).read("old", 0, 1)
    both.delete("old")
    with pytest.raises(NotFound):
        both.size("old")


def test_a_key_file_must_be_elsewhere_and_its_owners_alone(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "keys"
    data.mkdir()
    path.write_text(f"# keys, oldest first\nk1 {ONE.hex()}\n\nk2 {TWO.hex()}\n")
    path.chmod(0o600)
    assert read_keys(path, apart_from=data).suffix == ".k2"
    path.chmod(0o640)
    with pytest.raises(Invalid):
        read_keys(path, apart_from=data)
    inside = data / "keys"
    inside.write_text(f"k1 {ONE.hex()}\n")
    inside.chmod(0o600)
    with pytest.raises(Invalid):
        read_keys(inside, apart_from=data)
    for text in ("", "k1\n", "k1 00\n", f"K-1 {ONE.hex()}\n", f"k1 {ONE.hex()[:-2]}zz\n"):
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(Invalid):
            read_keys(path, apart_from=data)
    with pytest.raises(Invalid):
        read_keys(tmp_path / "none", apart_from=data)
