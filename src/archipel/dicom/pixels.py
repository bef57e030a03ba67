"""Codecs in bounded child processes: a hostile codestream ends a child and not the server."""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from struct import Struct
from typing import IO, Any

import archipel
from archipel.dicom.frames import PixelInfo
from archipel.dicom.jsonmodel import Json
from archipel.dicom.render import Rendered, RenderRequest
from archipel.dicom.wrap import Kind, Wrapped
from archipel.kit.errors import ArchipelError, Conflict, Invalid, LimitReached, NotAllowed, NotFound, Unavailable
from archipel.kit.scratch import File, told

_HEAD = Struct("<II")
_KINDS: dict[str, type[ArchipelError]] = {one.kind: one for one in (Invalid, NotFound, NotAllowed, Conflict, LimitReached, Unavailable)}
_START_SECONDS = 60.0
_TASKS_PER_CHILD = 2_000
#: A dataset: a file (see ``offset``) or its bytes.
Source = File | bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Frames:
    """Decoded or encoded frames and the attributes that their samples have now."""

    info: PixelInfo
    frames: tuple[bytes, ...]


class _Ended(Exception):
    """The child is gone."""


class _Child:
    """One child process and its pipes."""

    def __init__(self, memory_bytes_max: int, seconds_max: float) -> None:
        path = str(Path(archipel.__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH", "")])),
                       "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "archipel.dicom.pixel_worker", str(memory_bytes_max), str(seconds_max), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self.tasks = 0
        self.ready = False

    @property
    def _in(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def ask(self, task: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a task and wait for its answer; raises _Ended, or TimeoutError."""
        if not self.ready:
            self._answer(time.monotonic() + _START_SECONDS)
            self.ready = True
        deadline = time.monotonic() + seconds
        try:
            self._in.write(task)
            self._in.flush()
        except OSError as error:
            raise _Ended from error
        self.tasks += 1
        return self._answer(deadline)

    def _answer(self, deadline: float) -> tuple[dict[str, Any], bytes]:
        size, extra = _HEAD.unpack(self._read(_HEAD.size, deadline))
        return json.loads(self._read(size, deadline)), self._read(extra, deadline)

    def _read(self, count: int, deadline: float) -> bytes:
        assert self.process.stdout is not None
        number = self.process.stdout.fileno()
        out = bytearray()
        poll = select.poll()
        poll.register(number, select.POLLIN | select.POLLHUP)
        while len(out) < count:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise TimeoutError
            part = os.read(number, min(1 << 20, count - len(out)))
            if not part:
                raise _Ended
            out += part
        return bytes(out)

    def kill(self) -> None:
        """End the process now and collect it."""
        self.process.kill()
        self.process.wait()
        for pipe in self.process.stdin, self.process.stdout:
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # unsent bytes of a task for the dead
                    pass


class PixelWorkers:
    """At most ``processes`` children, each bounded in memory and in seconds per task; shared by all threads.

    Children start when they are needed. Errors of all acts: Invalid (undecodable, unsupported-syntax, unreadable, no-pixels,
    no-such-frame...), LimitReached (too-slow, too-large, busy).
    """

    def __init__(self, processes: int, memory_bytes_max: int, seconds_max: float) -> None:
        self._memory_bytes_max, self._seconds_max = memory_bytes_max, seconds_max
        self._places: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(processes):
            self._places.put(None)
        self._children: set[_Child] = set()
        self._lock = threading.Lock()
        self._closed = False

    def decode_frames(self, source: Source, transfer_syntax_uid: str, frame_numbers: list[int], *, offset: int = 0) -> Frames:
        """Frames (numbers from 1) in native form: little endian, colour by pixel, single bits packed."""
        return self.frames(source, transfer_syntax_uid, "1.2.840.10008.1.2.1", frame_numbers, offset=offset)

    def frames(self, source: Source, from_: str, to: str, frame_numbers: list[int], *, offset: int = 0, quality: int = 90) -> Frames:
        """Frames (numbers from 1) in the transfer syntax ``to``."""
        task = {"act": "frames", "syntax": from_, "to": to, "numbers": frame_numbers, "quality": quality}
        fields, payload = self._run(task, source, offset)
        parts, at = [], 0
        for length in fields["lengths"]:
            parts.append(payload[at : at + length])
            at += length
        return Frames(PixelInfo(**fields["info"]), tuple(parts))

    def render(self, source: Source, transfer_syntax_uid: str, request: RenderRequest, *, offset: int = 0) -> Rendered:
        """The object as it is shown; see ``render.render``."""
        task = {"act": "render", "syntax": transfer_syntax_uid, **dataclasses.asdict(request)}
        fields, payload = self._run(task, source, offset)
        return Rendered(fields["media_type"], payload)

    def transcode(self, source: Source, from_: str, to: str, out_path: File, *, offset: int = 0, quality: int = 90) -> int:
        """Write the dataset in the syntax ``to`` into a new file; its length in bytes."""
        task = {"act": "transcode", "syntax": from_, "to": to, "out": told(out_path), "quality": quality}
        try:
            return int(self._run(task, source, offset)[0]["length"])
        except ArchipelError:
            out_path.unlink(missing_ok=True)
            raise

    def pixel_digest(self, source: Source, transfer_syntax_uid: str, *, offset: int = 0) -> str:
        """SHA-256 of all samples in native form; see ``transcode.pixel_digest``."""
        return str(self._run({"act": "digest", "syntax": transfer_syntax_uid}, source, offset)[0]["digest"])

    def wrap(self, kind: Kind, path: File, attributes: Json, out_path: File) -> Wrapped:
        """Write the dataset that a PDF, JPEG, PNG or MP4 file becomes; see ``wrap.wrap``."""
        task = {"act": "wrap", "kind": kind, "attributes": attributes, "out": told(out_path)}
        try:
            return Wrapped(**self._run(task, path, 0)[0])
        except ArchipelError:
            out_path.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """End all children; acts still running fail."""
        with self._lock:
            self._closed = True
            children, self._children = list(self._children), set()
        for child in children:
            child.kill()

    def _run(self, task: dict[str, Any], source: Source, offset: int) -> tuple[dict[str, Any], bytes]:
        payload = source if isinstance(source, bytes) else b""
        task |= {"path": None if isinstance(source, bytes) else told(source), "offset": offset}
        text = json.dumps(task).encode("utf-8")
        fields, data = self._ask(_HEAD.pack(len(text), len(payload)) + text + payload)
        if "kind" in fields:
            raise _KINDS.get(fields["kind"], Invalid)(fields["public"], code=fields["code"], detail=fields["detail"], field=fields["field"])
        return fields, data

    def _ask(self, task: bytes) -> tuple[dict[str, Any], bytes]:
        try:
            child = self._places.get(timeout=self._seconds_max)
        except queue.Empty as error:
            raise LimitReached("All pixel workers are busy; try again", code="busy") from error
        try:
            child = child or self._start()
            answer = child.ask(task, self._seconds_max)
            if child.tasks >= _TASKS_PER_CHILD:
                self._drop(child)
                child = None
            return answer
        except TimeoutError as error:
            self._drop(child)
            child = None
            raise LimitReached(f"The object's pixels took longer than {self._seconds_max:g} s", code="too-slow") from error
        except _Ended as error:
            self._drop(child)
            child = None
            raise Invalid("The object's pixels cannot be decoded: the codec broke down", code="undecodable") from error
        finally:
            self._places.put(child)

    def _start(self) -> _Child:
        with self._lock:
            if self._closed:
                raise Unavailable("The pixel workers are closed", code="closed")
            child = _Child(self._memory_bytes_max, self._seconds_max)
            self._children.add(child)
            return child

    def _drop(self, child: _Child | None) -> None:
        if child is not None:
            with self._lock:
                self._children.discard(child)
            child.kill()
