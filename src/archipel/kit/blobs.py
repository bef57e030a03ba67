"""Blobs: immutable objects under names of our own making, in files or in an S3 store, behind one contract.

A key is a relative path of safe segments made by the platform, never taken from what was received. ``put`` returns only when the
bytes would survive a power cut, and never replaces what is there.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
import structlog
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from archipel.kit import traces
from archipel.kit.apart import made_apart
from archipel.kit.blob_contract import BLOB_MISSING as BLOB_MISSING  # with what follows part of what this module offers
from archipel.kit.blob_contract import BLOB_UNREADABLE as BLOB_UNREADABLE
from archipel.kit.blob_contract import CHUNK_BYTES as CHUNK_BYTES
from archipel.kit.blob_contract import PUT_BYTES as PUT_BYTES
from archipel.kit.blob_contract import STRETCH_BYTES, check_key, check_prefix, missing, unreadable
from archipel.kit.blob_contract import Appended as Appended
from archipel.kit.blob_contract import Blobs as Blobs
from archipel.kit.cipher import Cipher
from archipel.kit.disk import disk_error as disk_error  # part of what this module offers
from archipel.kit.disk import sync_folder
from archipel.kit.errors import Conflict, Invalid, NotFound, Unavailable
from archipel.kit.ids import new_id
from archipel.kit.segment import Segment

log = structlog.get_logger(__name__)


def _probe(blobs: Blobs) -> None:
    key = f"probe/{new_id()}"
    blobs.put(key, [b"archipel"])
    whole = blobs.read(key, 0, 8) == b"archipel" and blobs.read(key, 3, 2) == b"hi"
    try:
        blobs.put(key, [b"other"])
        exclusive = False
    except Conflict:
        exclusive = True
    blobs.delete(key)
    if not whole or not exclusive:
        raise Unavailable("The object store does not keep its contract.", code="blobs", detail=f"ranges={whole} put-if-absent={exclusive}")


class FileBlobs:
    """Objects as files below a folder: written aside, synced, then linked under their name, and the folder synced."""

    appends_here = True

    def __init__(self, root: Path) -> None:
        self._root = root
        self._aside = root / ".aside"  # no key can name it
        self._durable: set[Path] = set()  # folders whose own entry has been synced by this process
        self._segment: Segment | None = None
        self._segment_lock = threading.Lock()
        self._aside.mkdir(parents=True, exist_ok=True)

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        target = self._path(key)
        aside = self._aside / new_id()
        try:
            size = _write_synced(aside, chunks)
            self._publish(aside, target, key)
        except OSError as error:
            raise disk_error(error) from error
        finally:
            aside.unlink(missing_ok=True)
        return size

    def append(self, folder: str, buffers: Sequence[bytes | memoryview], cipher: Cipher | None = None) -> Appended:
        with self._segment_lock:
            try:
                segment = self._growing(folder, cipher.suffix if cipher else "")
                if cipher:
                    buffers = list(cipher.pieces(segment.key, buffers, segment.size_bytes))
                return Appended(segment.key, segment.append(buffers), lambda: self._sync(segment))
            except OSError as error:  # what the file holds now is not known for sure: another one goes on
                self._abandon()
                raise disk_error(error) from error

    def put_file(self, key: str, path: Path) -> int:
        target = self._path(key)
        try:
            size = path.stat().st_size
            if path.stat().st_dev != self._root.stat().st_dev:
                with path.open("rb") as file:
                    self.put(key, iter(lambda: file.read(CHUNK_BYTES), b""))
            else:
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
                self._publish(path, target, key)
        except OSError as error:
            raise disk_error(error) from error
        path.unlink()
        return size

    def read(self, key: str, offset: int, length: int) -> bytes:
        try:
            with self._path(key).open("rb") as file:
                return os.pread(file.fileno(), length, offset)
        except FileNotFoundError as error:
            raise missing(key) from error
        except OSError as error:
            raise unreadable(key, error) from error

    def stream(self, key: str, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        try:
            with self._path(key).open("rb", buffering=0) as file:
                file.seek(offset)
                while length > 0 and (chunk := file.read(min(chunk_bytes, length))):
                    length -= len(chunk)
                    yield chunk
        except FileNotFoundError as error:
            raise missing(key) from error
        except OSError as error:
            raise unreadable(key, error) from error

    def size(self, key: str) -> int:
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError as error:
            raise missing(key) from error

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        start = self._root / check_prefix(prefix)
        for path in sorted(start.rglob("*")) if start.is_dir() else []:
            if path.is_file() and self._aside not in path.parents:
                yield path.relative_to(self._root).as_posix(), path.stat().st_size

    def probe(self) -> None:
        _probe(self)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self._root).free

    def close(self) -> None:
        with self._segment_lock:
            self._abandon()

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _publish(self, aside: Path, target: Path, key: str) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(aside, target)  # a link, not a rename: it fails when the name is taken
        except FileExistsError as error:
            raise Conflict("An object with this key exists.", code="blob-exists", detail=key) from error
        self._sync_folders(target)

    def _growing(self, folder: str, suffix: str) -> Segment:
        """The segment that grows in this folder; a fresh one when there is none, or when it is full."""
        segment = self._segment
        if segment is not None and segment.is_in(folder, suffix) and not segment.is_full() and not segment.is_gone():
            return segment
        key = f"{folder}/{new_id()}{suffix}"
        target = self._path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._segment = Segment(target, key)
        self._sync_folders(target)
        return self._segment

    def _sync(self, segment: Segment) -> None:
        try:
            segment.sync()
        except OSError as error:
            with self._segment_lock:
                if self._segment is segment:
                    self._abandon()
            raise disk_error(error) from error

    def _abandon(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _sync_folders(self, target: Path) -> None:
        sync_folder(target.parent)
        for folder in target.parents:  # another thread may have made it a moment ago and not synced it yet
            if folder in self._durable:
                break
            sync_folder(folder.parent)
            if folder == self._root:
                break
        self._durable |= {target.parent, *target.parent.parents}


class S3Blobs:
    """Objects in a bucket of an S3 store."""

    PART_BYTES = 5 << 20  # the smallest that S3 takes before the last
    appends_here = False

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        size = 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for chunk in chunks:
                size += len(chunk)
                yield chunk

        # One request with put-if-absent while it is small; a multipart upload has no such condition, but our keys are never reused.
        first, rest = _head(counted(), PUT_BYTES)
        if rest is None:
            self._call("put", lambda: obstore.put(self._store, check_key(key), first, mode="create", use_multipart=False), key)
        else:
            self._refuse_existing(key)
            with made_apart(_chain(first, rest)) as chunks:
                self._call("put", lambda: obstore.put(self._store, key, chunks), key)
        return size

    def append(self, folder: str, buffers: Sequence[bytes | memoryview], cipher: Cipher | None = None) -> Appended:
        key = f"{folder}/{new_id()}{cipher.suffix if cipher else ''}"  # an object of a store does not grow: each time another one
        self.put(key, cipher.pieces(key, buffers) if cipher else map(bytes, buffers))
        return Appended(key, 0, lambda: None)

    def put_file(self, key: str, path: Path) -> int:
        with path.open("rb") as file:
            size = self.put(key, iter(lambda: file.read(CHUNK_BYTES), b""))
        path.unlink()
        return size

    def read(self, key: str, offset: int, length: int) -> bytes:
        if length <= 0:
            return b""
        try:
            return bytes(self._call("get", lambda: obstore.get_range(self._store, check_key(key), start=offset, length=length), key))
        except Unavailable:
            if offset >= self.size(key):  # S3 has no answer for a range that starts behind the end (416)
                return b""
            raise

    def stream(self, key: str, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        # One request for each stretch: a single one would end with the client's time limit when the reader is slow.
        while length > 0:
            stretch = memoryview(self.read(key, offset, min(length, STRETCH_BYTES)))
            if not stretch:
                return
            for start in range(0, len(stretch), chunk_bytes):
                yield bytes(stretch[start : start + chunk_bytes])
            offset, length = offset + len(stretch), length - len(stretch)

    def size(self, key: str) -> int:
        return int(self._call("head", lambda: obstore.head(self._store, check_key(key)), key)["size"])

    def delete(self, key: str) -> None:
        try:
            obstore.delete(self._store, check_key(key))
        except FileNotFoundError:
            return
        except BaseError as error:
            raise _unavailable(error) from error

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        try:
            for page in obstore.list(self._store, prefix=check_prefix(prefix)):
                yield from ((item["path"], item["size"]) for item in page)
        except BaseError as error:
            raise _unavailable(error) from error

    def probe(self) -> None:
        """As for every store; and that it takes objects in parts, and lets go of what is deleted."""
        _probe(self)
        key, parts = f"probe/{new_id()}", bytes(self.PART_BYTES + 1)
        self._call("put", lambda: obstore.put(self._store, key, parts, use_multipart=True, chunk_size=self.PART_BYTES), key)
        whole = self.size(key) == len(parts) and self.read(key, self.PART_BYTES - 1, 5) == bytes(2)
        self.delete(key)
        if not whole:
            raise Unavailable("The object store does not keep its contract.", code="blobs", detail="an object in parts is not whole")
        try:
            self.size(key)
        except NotFound:
            return
        log.warning("blobs.retention", detail="the object store keeps what is deleted: what sealing replaces will take room there")

    def free_bytes(self) -> int:
        return sys.maxsize

    def close(self) -> None:
        pass

    def _refuse_existing(self, key: str) -> None:
        try:
            self.size(key)
        except NotFound:
            return
        raise Conflict("An object with this key exists.", code="blob-exists", detail=key)

    def _call(self, name: str, act: Callable[[], Any], key: str) -> Any:
        try:
            with traces.span(f"s3 {name}", {"archipel.object": key}):
                return act()
        except AlreadyExistsError as error:
            raise Conflict("An object with this key exists.", code="blob-exists", detail=key) from error
        except FileNotFoundError as error:
            raise missing(key) from error
        except BaseError as error:
            raise _unavailable(error) from error


def open_blobs(url: str, *, access_key: str = "", secret_key: str = "", region: str = "") -> Blobs:
    """Open ``file:///folder`` or ``s3+http(s)://endpoint/bucket``; the store is not touched until it is used."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FileBlobs(Path(parts.path))
    if parts.scheme not in ("s3+http", "s3+https"):
        raise Invalid("The object store's address must start with file:// or s3+http(s)://.", code="blobs-url", field="blobs.url")
    store = S3Store(
        parts.path.strip("/"),
        endpoint=f"{parts.scheme[3:]}://{parts.netloc}",
        access_key_id=access_key,
        secret_access_key=secret_key,
        region=region or "us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": parts.scheme == "s3+http", "timeout": "60s", "connect_timeout": "5s"},
        retry_config={"max_retries": 3},
    )
    return S3Blobs(store)


def _head(chunks: Iterator[bytes], limit: int) -> tuple[bytes, Iterator[bytes] | None]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) > limit:
            return bytes(held), chunks
    return bytes(held), None


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _write_synced(path: Path, chunks: Iterable[bytes]) -> int:
    size = 0
    with path.open("xb", buffering=0) as file:
        for chunk in chunks:
            view = memoryview(chunk)
            while view:  # an unbuffered write may take less than it was given
                view = view[file.write(view) :]
            size += len(chunk)
        os.fdatasync(file.fileno())
    return size


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable("The object store does not answer; try again.", code="blobs", detail=str(error)[:500])
