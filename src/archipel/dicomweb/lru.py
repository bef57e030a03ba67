"""A bounded memory of what was computed, the least recently used going first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """At most ``bytes_max`` of values, each with the size that is said; safe for threads. A value past a quarter is not kept."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: Hashable) -> T | None:
        """The value, or None."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: T, size_bytes: int) -> None:
        """Keep a value, and let go of old ones for it."""
        if size_bytes > self._bytes_max // 4:
            return
        with self._lock:
            old = self._values.pop(key, None)
            self.size_bytes += size_bytes - (old[1] if old else 0)
            self._values[key] = (value, size_bytes)
            while self.size_bytes > self._bytes_max:
                _, (_, size) = self._values.popitem(last=False)
                self.size_bytes -= size
