"""One contract on files and on a real S3 server."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from archipel.kit.blobs import PUT_BYTES, Blobs, FileBlobs, open_blobs
from archipel.kit.errors import ArchipelError, Conflict, Invalid, LimitReached, NotFound, Unavailable
from tests.servers import free_port

LARGE = PUT_BYTES + 3_000_000  # past the size from which S3 takes it in parts


def pieces(size: int, *, piece: int = 100_003, fail_after: int | None = None) -> Iterator[bytes]:
    """``size`` bytes that tell where they are; an error of the sender after some of them."""
    block = hashlib.shake_128(b"archipel").digest(piece)
    sent = 0
    while sent < size:
        if fail_after is not None and sent >= fail_after:
            raise RuntimeError("the sender is gone")
        yield block[: size - sent]
        sent += piece


def whole(size: int) -> bytes:
    return b"".join(pieces(size))


def test_what_is_put_is_read_in_any_range(blobs: Blobs) -> None:
    data = whole(1_000_000)
    assert blobs.put("a/b/c", pieces(1_000_000)) == 1_000_000
    assert blobs.size("a/b/c") == 1_000_000
    for offset, length in ((0, 1_000_000), (0, 1), (999_999, 1), (123_456, 200_000), (5, 0)):
        assert blobs.read("a/b/c", offset, length) == data[offset : offset + length]
        assert b"".join(blobs.stream("a/b/c", offset, length, 65_536)) == data[offset : offset + length]


def test_fewer_bytes_come_only_at_the_end(blobs: Blobs) -> None:
    blobs.put("k", [b"0123456789"])
    assert blobs.read("k", 5, 100) == b"56789"
    assert blobs.read("k", 10, 5) == b""
    assert blobs.read("k", 99, 5) == b""
    assert b"".join(blobs.stream("k", 8, 100)) == b"89"
    assert b"".join(blobs.stream("k", 10, 100)) == b""


@pytest.mark.parametrize("size", [0, 1, LARGE])
def test_objects_of_every_size(blobs: Blobs, size: int) -> None:
    assert blobs.put("k", pieces(size)) == size
    assert blobs.size("k") == size
    digest = hashlib.sha256()
    longest = 0
    for chunk in blobs.stream("k", 0, size, 300_000):
        longest = max(longest, len(chunk))
        digest.update(chunk)
    assert digest.hexdigest() == hashlib.sha256(whole(size)).hexdigest()
    assert longest <= 300_000


@pytest.mark.parametrize("size", [10, LARGE])
def test_nothing_is_ever_replaced(blobs: Blobs, size: int) -> None:
    blobs.put("k", pieces(size))
    with pytest.raises(Conflict):
        blobs.put("k", [b"other"])
    with pytest.raises(Conflict):
        blobs.put("k", pieces(LARGE))
    assert blobs.read("k", 0, size) == whole(size)


def test_one_of_eight_racing_writers_wins(blobs: Blobs) -> None:
    together = threading.Barrier(8)
    fates: list[str] = []

    def put(n: int) -> None:
        together.wait()
        try:
            blobs.put("k", [bytes([n]) * 10_000])
            fates.append(f"{n}")
        except Conflict:
            fates.append("conflict")

    threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert fates.count("conflict") == 7
    winner = next(int(f) for f in fates if f != "conflict")
    assert blobs.read("k", 0, 20_000) == bytes([winner]) * 10_000


def test_many_writers_of_many_keys_in_new_folders(blobs: Blobs) -> None:
    def put(n: int) -> None:
        for m in range(10):
            blobs.put(f"received/day{m}/{n}", [f"{n}.{m}".encode()])

    threads = [threading.Thread(target=put, args=(n,)) for n in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(list(blobs.list("received"))) == 60
    assert blobs.read("received/day7/3", 0, 10) == b"3.7"


def test_a_file_becomes_an_object_and_is_consumed(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(whole(400_000))
    assert blobs.put_file("k", path) == 400_000
    assert not path.exists()
    assert blobs.read("k", 0, 500_000) == whole(400_000)
    path.write_bytes(b"other")
    with pytest.raises(Conflict):
        blobs.put_file("k", path)
    assert path.read_bytes() == b"other"


def test_a_file_of_another_disk_becomes_an_object(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    path = elsewhere / f"archipel-test-{os.getpid()}"
    path.write_bytes(b"here")
    blobs = FileBlobs(tmp_path / "blobs")
    assert blobs.put_file("k", path) == 4
    assert not path.exists()
    assert blobs.read("k", 0, 9) == b"here"


def test_what_is_deleted_is_not_found_and_may_be_deleted_again(blobs: Blobs) -> None:
    blobs.put("k", [b"x"])
    blobs.delete("k")
    blobs.delete("k")
    for act in (lambda: blobs.read("k", 0, 1), lambda: blobs.size("k"), lambda: list(blobs.stream("k", 0, 1))):
        with pytest.raises(NotFound) as caught:
            act()
        assert caught.value.code == "blob-missing"


def test_objects_are_listed_below_a_prefix_of_whole_segments(blobs: Blobs) -> None:
    for key in ("received/20260115/a", "received/20260115/b", "received/20260116/c", "receivedelsewhere/d"):
        blobs.put(key, [key.encode()])
    assert sorted(blobs.list("received")) == [
        ("received/20260115/a", 19),
        ("received/20260115/b", 19),
        ("received/20260116/c", 19),
    ]
    assert [key for key, _ in blobs.list("received/20260116")] == ["received/20260116/c"]
    assert len(list(blobs.list(""))) == 4
    assert list(blobs.list("nothing")) == []


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "/etc/passwd", "", "a//b", "a/", ".aside/x", "a\0b", "a b", "é", "a/.hidden", "x" * 301]
)
def test_keys_that_could_name_something_else_are_refused(blobs: Blobs, key: str, tmp_path: Path) -> None:
    acts = (
        lambda: blobs.put(key, [b"x"]), lambda: blobs.read(key, 0, 1), lambda: blobs.size(key), lambda: blobs.delete(key),
        lambda: list(blobs.stream(key, 0, 1)), lambda: blobs.put(key, pieces(LARGE)),
    )  # fmt: skip
    for act in acts:
        with pytest.raises(Invalid):
            act()
    if key not in ("", "a/"):
        with pytest.raises(Invalid):
            list(blobs.list(key))


@pytest.mark.parametrize("size", [1_000_000, LARGE])
def test_a_sender_that_vanishes_leaves_nothing(blobs: Blobs, size: int, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="gone"):
        blobs.put("received/k", pieces(size, fail_after=size - 200_000))
    assert list(blobs.list("")) == []
    with pytest.raises(NotFound):
        blobs.size("received/k")
    assert [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()] == []
    assert blobs.put("received/k", [b"again"]) == 5


def test_an_error_of_ours_in_the_sender_stays_what_it_is(blobs: Blobs) -> None:
    def sender() -> Iterator[bytes]:
        yield from pieces(LARGE)
        raise LimitReached("too much", code="too-large")

    with pytest.raises(LimitReached) as caught:
        blobs.put("k", sender())
    assert caught.value.code == "too-large"


def test_the_probe_passes_and_leaves_nothing(blobs: Blobs) -> None:
    blobs.probe()
    assert list(blobs.list("")) == []


def test_what_is_appended_together_lies_together_and_stays(blobs: Blobs) -> None:
    rng = random.Random(5)
    groups = [[rng.randbytes(rng.randrange(0, 3000)) for _ in range(rng.choice([1, 2, 700]))] for _ in range(12)]
    placed = [(blobs.append("received/20260101", [memoryview(b) for b in group]), b"".join(group)) for group in groups]
    other, offset, _ = blobs.append("received/20260102", [b"the day after"])
    assert other.startswith("received/20260102/") and blobs.read(other, offset, 13) == b"the day after"
    ends: dict[str, int] = {}
    for (key, offset, sync), data in placed:
        sync()
        assert key.startswith("received/20260101/")
        assert offset == ends.get(key, 0)  # nothing between, and nothing twice
        assert blobs.read(key, offset, len(data)) == data
        ends[key] = offset + len(data)
    assert {key: size for key, size in blobs.list("received/20260101")} == ends


def test_appends_of_several_threads_do_not_mix(blobs: Blobs) -> None:
    found: list[tuple[str, int, bytes]] = []

    def append(mark: int) -> None:
        for _ in range(10):
            data = bytes([mark]) * 4001
            key, offset, sync = blobs.append("received/d", [data[:1000], data[1000:]])
            sync()
            found.append((key, offset, data))

    threads = [threading.Thread(target=append, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(key, offset) for key, offset, _ in found}) == 40
    assert all(blobs.read(key, offset, 4001) == data for key, offset, data in found)


def test_another_process_never_grows_the_same_file(tmp_path: Path) -> None:
    first, second = FileBlobs(tmp_path), FileBlobs(tmp_path)
    keys = {blobs.append("received/d", [b"x"])[0] for blobs in (first, second, first, second)}
    assert len(keys) == 2


GROWING = """
import resource, sys
from pathlib import Path
from archipel.kit.blobs import FileBlobs
from archipel.kit.errors import LimitReached
blobs = FileBlobs(Path(sys.argv[1]))
key, _, _ = blobs.append("received/d", [b"a" * 300_000])
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    blobs.append("received/d", [b"b" * 150_000, b"c" * 150_000])
except LimitReached as error:
    print(error.code)
again, offset, sync = blobs.append("received/d", [b"d" * 1000])
sync()
print(blobs.size(key), blobs.read(key, 299_999, 10) == b"a", again != key, offset, blobs.size(again))
"""


@pytest.mark.faults
def test_a_segment_that_cannot_grow_keeps_what_it_has_and_another_one_goes_on(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", GROWING, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["out-of-space", "300000", "True", "True", "0", "1000"]


FULL = """
import resource, signal, sys
from pathlib import Path
from archipel.kit.blobs import FileBlobs
from archipel.kit.errors import LimitReached
blobs = FileBlobs(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
for size in (600_000, 5_000_000):
    try:
        blobs.put("received/k", (b"x" * 1000 for _ in range(size // 1000)))
    except LimitReached as error:
        print(error.code)
print(blobs.put("received/small", [b"x" * 1000]))
"""


@pytest.mark.faults
def test_a_file_that_the_system_stops_is_out_of_space_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["out-of-space", "out-of-space", "1000"]
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["small"]


@pytest.mark.faults
def test_a_full_disk_is_out_of_space_and_leaves_nothing(tmp_path: Path) -> None:
    mount = tmp_path / "tiny"
    mount.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True).returncode:
        pytest.skip("a file system of 1 MB cannot be mounted here")
    try:
        blobs = FileBlobs(mount / "blobs")
        with pytest.raises(LimitReached) as caught:
            blobs.put("received/k", pieces(3_000_000))
        assert caught.value.code == "out-of-space"
        assert [p for p in mount.rglob("*") if p.is_file()] == []
        assert blobs.put("received/k", pieces(500_000)) == 500_000
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.faults
def test_a_store_that_is_not_there_is_unavailable_soon() -> None:
    blobs = open_blobs(f"s3+http://127.0.0.1:{free_port()}/bucket", access_key="a", secret_key="b")
    acts = (lambda: blobs.put("k", [b"x"]), lambda: blobs.read("k", 0, 1), lambda: blobs.size("k"), lambda: blobs.delete("k"))
    for act in (*acts, lambda: list(blobs.list("")), lambda: list(blobs.stream("k", 0, 1)), blobs.probe):
        began = time.monotonic()
        with pytest.raises(Unavailable):
            act()
        assert time.monotonic() - began < 15


@pytest.mark.faults
def test_a_store_that_answers_nonsense_is_unavailable() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        ended = threading.Event()

        def answer() -> None:
            server.settimeout(0.2)
            while not ended.is_set():
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    continue
                with peer:
                    peer.settimeout(1)
                    peer.recv(65_536)
                    peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope")

        thread = threading.Thread(target=answer)
        thread.start()
        blobs = open_blobs(f"s3+http://127.0.0.1:{server.getsockname()[1]}/bucket", access_key="a", secret_key="b")
        try:
            with pytest.raises(Unavailable):
                blobs.put("k", [b"x"])
            with pytest.raises(Unavailable):
                blobs.read("k", 0, 1)
        finally:
            ended.set()
            thread.join()


def test_wrong_keys_are_unavailable_and_not_empty(s3_server: dict[str, str]) -> None:
    blobs = open_blobs(f"s3+{s3_server['endpoint']}/nobodys", access_key="wrong", secret_key="wrong")
    with pytest.raises(ArchipelError):
        blobs.probe()
    with pytest.raises(Unavailable):
        list(blobs.list(""))


@pytest.mark.parametrize("url", ["ftp://x/y", "blobs", "http://host/bucket", ""])
def test_addresses_that_name_no_store_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        open_blobs(url)


def test_memory_stays_bounded_when_a_large_object_streams(blobs: Blobs) -> None:
    blobs.put("k", pieces(40_000_000, piece=1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(len(chunk) for chunk in blobs.stream("k", 0, 40_000_000)) == 40_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB


def test_what_is_put_may_be_read_from_the_store_itself(blobs: Blobs) -> None:
    """Sealing does so; the client of an object store cannot be called where it pulls."""
    blobs.put("from/it", [bytes(range(256)) * 65_536])
    assert blobs.put("to/it", blobs.stream("from/it", 0, 16 << 20)) == 16 << 20
    assert blobs.read("to/it", (16 << 20) - 256, 256) == bytes(range(256))


def test_a_failure_of_what_makes_the_bytes_is_told_and_leaves_nothing(blobs: Blobs) -> None:
    class Broken(Exception):
        pass

    def chunks(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield bytes(1 << 20)
        raise Broken

    for count in (1, 30):
        with pytest.raises((Broken, Unavailable)):
            blobs.put("broken", chunks(count))
        with pytest.raises(NotFound):
            blobs.size("broken")
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("blobs-put")] == []
