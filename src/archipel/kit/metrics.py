"""Metrics: what the platform counts about itself, in Prometheus' form."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest


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

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
