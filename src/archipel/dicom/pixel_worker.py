"""The child process that runs codecs: reads one task after the other from its input and answers each.

Started by ``pixels.PixelWorkers``. It is bounded in memory and time, and ends when its parent does.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import resource
import signal
import struct
import sys
import threading
import time
from typing import Any, BinaryIO

from archipel.dicom import codecs, frames, render, transcode, uids, voi, walk, wrap
from archipel.dicom.header import inflated
from archipel.kit.errors import ArchipelError, Invalid, LimitReached
from archipel.kit.scratch import heard, temporary

_HEAD = struct.Struct("<II")
_IN_MEMORY_BYTES = 64 << 20


def read_message(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next message, or None at the end."""
    head = source.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    size, extra = _HEAD.unpack(head)
    return json.loads(source.read(size)), source.read(extra)


def message(fields: dict[str, Any], payload: bytes = b"") -> bytes:
    """Lengths, JSON, bytes."""
    text = json.dumps(fields).encode("utf-8")
    return _HEAD.pack(len(text), len(payload)) + text + payload


def _open(task: dict[str, Any], payload: bytes) -> BinaryIO:
    if task["path"] is None:
        source: BinaryIO = io.BytesIO(payload)
    else:
        source = heard(*task["path"]).open("rb")
    source.seek(task["offset"])
    return source


def _plain(source: BinaryIO, syntax: str) -> tuple[BinaryIO, str]:
    """The dataset, inflated when it is deflated."""
    if syntax != uids.DEFLATED:
        return source, syntax
    plain = temporary(_IN_MEMORY_BYTES)
    for chunk in inflated(source):
        plain.write(chunk)
    plain.seek(0)
    return plain, uids.EXPLICIT_LITTLE


def _frames(task: dict[str, Any], source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Frames in native form (little endian, colour by pixel) or in a compressed syntax."""
    source, syntax = _plain(source, task["syntax"])
    start = source.tell()
    pixels = frames.read_pixel_data(source, syntax)
    source.seek(start)
    supplier = transcode.frame_supplier(walk.Window(source), pixels)
    parts, info = [], pixels.info
    for number in task["numbers"]:
        if not 1 <= number <= pixels.info.frames:
            raise Invalid(f"The object has {pixels.info.frames} frames, none of number {number}", code="no-such-frame", field="frame")
        array, info = supplier(number - 1)
        if task["to"] in uids.NATIVE:
            parts.append(codecs.native_bytes(array, info))
        else:
            data, info = codecs.encode(array, info, task["to"], task["quality"])
            parts.append(data)
    fields = {name: getattr(info, name) for name in info.__dataclass_fields__}
    return {"info": fields, "lengths": [len(part) for part in parts]}, b"".join(parts)


def _render(task: dict[str, Any], source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    window, viewport = task.pop("window"), task.pop("viewport")
    request = render.RenderRequest(
        frame_number=task["frame_number"],
        window=voi.Window(**window) if window else None,
        viewport=render.Viewport(**viewport) if viewport else None,
        quality=task["quality"],
        media_type=task["media_type"],
    )
    found = render.render(source, task["syntax"], request)
    return {"media_type": found.media_type}, found.data


def _transcode(task: dict[str, Any], source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    with heard(*task["out"]).open("wb") as out:
        transcode.transcode(source, task["syntax"], task["to"], out, quality=task["quality"])
        return {"length": out.tell()}, b""


def _digest(task: dict[str, Any], source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    source, syntax = _plain(source, task["syntax"])
    return {"digest": transcode.pixel_digest(source, syntax)}, b""


def _wrap(task: dict[str, Any], source: BinaryIO) -> tuple[dict[str, Any], bytes]:
    with heard(*task["out"]).open("wb") as out:
        return dataclasses.asdict(wrap.wrap(task["kind"], heard(*task["path"]), task["attributes"], out)), b""


_ACTS = {"frames": _frames, "render": _render, "transcode": _transcode, "digest": _digest, "wrap": _wrap}


def answer(task: dict[str, Any], payload: bytes) -> bytes:
    """The answer to one task; errors are part of it."""
    try:
        with _open(task, payload) as source:
            return message(*_ACTS[task["act"]](task, source))
    except ArchipelError as error:
        failure: ArchipelError = error
    except MemoryError:
        failure = LimitReached("The object needs more memory to decode than is allowed", code="too-large")
    except Exception as error:  # this is a job worker: foreign bytes must not end it
        failure = Invalid("The object's pixels cannot be decoded", code="undecodable", detail=repr(error)[:300])
    return message({"kind": failure.kind, "code": failure.code, "public": failure.public, "detail": failure.detail, "field": failure.field})


def _watch(parent: int) -> None:
    """End when the parent is gone, even in the middle of a task."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(3)


def main() -> None:
    """Run tasks until the input ends. Arguments: memory in bytes, seconds of a task, id of the parent."""
    memory_bytes_max, seconds_max, parent = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes_max, memory_bytes_max))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes our input
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # codecs print
        os.dup2(quiet, number)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    answers.write(message({"ready": True}))
    answers.flush()
    while (task := read_message(tasks)) is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds_max + 5)  # the parent kills earlier; this is for when it cannot
        answers.write(answer(*task))
        answers.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
