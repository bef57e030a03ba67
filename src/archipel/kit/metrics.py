"""Metrics: what one process counts about itself, in Prometheus' form. No label names a person, an exam or a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.received = Counter(
            "archipel_instances_received", "Instances received, by door and fate.", ["door", "fate"], registry=self.registry
        )
        self.received_bytes = Counter("archipel_received_bytes", "Bytes of instances stored.", ["door"], registry=self.registry)
        self.group_size = Histogram(
            "archipel_group_instances", "Instances per durable write.", buckets=(1, 2, 4, 8, 16, 32, 64, 128), registry=self.registry
        )
        self.group_seconds = Histogram("archipel_group_seconds", "Seconds from a group's start to its commit.", registry=self.registry)
        self.errors = Counter("archipel_errors", "Errors answered, by door and kind.", ["door", "kind"], registry=self.registry)
        self.answered_bytes = Counter(
            "archipel_answered_bytes", "Bytes of instances answered, by door and fate.", ["door", "fate"], registry=self.registry
        )
        self.waiting = Gauge("archipel_receive_waiting", "Instances submitted and not answered yet.", registry=self.registry)
        self.associations = Gauge("archipel_associations_open", "DICOM associations, by direction.", ["direction"], registry=self.registry)
        self.operation_seconds = Histogram(
            "archipel_operation_seconds", "Seconds from a request to the end of its answer, by door and operation.", ["door", "operation"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.hl7_messages = Counter(
            "archipel_hl7_messages", "HL7 messages answered, by event and code.", ["event", "code"], registry=self.registry
        )
        self.hl7_connections = Gauge("archipel_hl7_connections_open", "HL7 connections.", registry=self.registry)
        self._process = ProcessCollector(registry=self.registry)
        for direction in ("in", "out"):
            self.associations.labels(direction)

    def outgoing(self, change: int) -> None:
        """An association that we asked for has opened (1) or ended (-1)."""
        self.associations.labels("out").inc(change)

    def count_incoming(self, count: Callable[[], int]) -> None:
        """Where the number of associations that others have opened is read from."""
        self.associations.labels("in").set_function(count)

    @contextmanager
    def timed(self, door: str, operation: str) -> Iterator[None]:
        """Measure one operation, whether it succeeds or not."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.operation_seconds.labels(door, operation).observe(time.monotonic() - begun)

    def process_figures(self) -> dict[str, int]:
        """What waits to be stored, resident memory and open files of this process."""
        values = {sample.name: sample.value for family in self._process.collect() for sample in family.samples}
        waiting = next(iter(self.waiting.collect())).samples[0].value
        return {
            "waiting": int(waiting),
            "resident_bytes": int(values.get("process_resident_memory_bytes", 0)),
            "open_files": int(values.get("process_open_fds", 0)),
        }

    def totals(self) -> dict[str, int]:
        """The counters of receiving and of errors since the start, added up."""
        fates = {"stored": 0, "refused": 0}
        for sample in _samples(self.received):
            if sample.labels["fate"] in fates:
                fates[sample.labels["fate"]] += int(sample.value)
        return {
            "received": fates["stored"],
            "refused": fates["refused"],
            "received_bytes": sum(int(sample.value) for sample in _samples(self.received_bytes)),
            "errors": sum(int(sample.value) for sample in _samples(self.errors)),
        }

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


def _samples(counter: Counter) -> list:  # type: ignore[type-arg]  # prometheus_client's Sample is not public
    return [sample for family in counter.collect() for sample in family.samples if sample.name.endswith("_total")]
