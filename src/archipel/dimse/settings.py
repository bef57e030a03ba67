"""Limits of the DIMSE door; each has a unit, a default and bounds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from archipel.kit.errors import Invalid

# name: (lowest, highest) of each number.
_BOUNDS: dict[str, tuple[float, float]] = {
    "associations_max": (1, 5000),
    "associations_per_device_max": (1, 1000),
    "pdu_bytes_max": (4096, 1 << 20),
    "pdu_bytes_tolerated": (4096, 16 << 20),
    "artim_s": (0.1, 300),
    "idle_s": (0.1, 86_400),
    "stall_s": (0.1, 3600),
    "device_check_s": (0, 3600),
    "message_s": (1, 7 * 86_400),
    "identifier_bytes_max": (4096, 256 << 20),
    "find_rows_max": (1, 10_000_000),
    "find_page_rows": (1, 10_000),
    "retrieve_instances_max": (1, 10_000_000),
    "moves_max": (1, 256),
    "threads": (1, 256),
    "response_s": (0.1, 86_400),
    "commitment_wait_s": (0, 60),
    "release_wait_s": (0, 60),
}


@dataclass(frozen=True, kw_only=True)
class DimseSettings:
    """What the door takes and how long it waits. Lengths in bytes, times in seconds."""

    ae_titles: tuple[str, ...] = ("ARCHIPEL",)
    associations_max: int = 100
    associations_per_device_max: int = 20
    pdu_bytes_max: int = 131_072
    """Largest P-DATA-TF body that we ask peers to send."""
    pdu_bytes_tolerated: int = 1 << 20
    """Largest that we take from peers that do not keep to it; past this the association is aborted."""
    artim_s: float = 30
    idle_s: float = 600
    stall_s: float = 60
    """Time for one PDU to arrive whole, and for a peer to take what we send."""
    device_check_s: float = 1
    """For how long an open association's device is taken for what it was; then it is looked up again before the next operation."""
    message_s: float = 6 * 3600
    """Time for one whole message."""
    identifier_bytes_max: int = 16 << 20
    """Largest dataset of a query or of a storage-commitment request."""
    find_rows_max: int = 100_000
    find_page_rows: int = 200
    retrieve_instances_max: int = 200_000
    moves_max: int = 8
    """Retrieves (C-MOVE, C-GET) that run at once; more wait."""
    threads: int = 16
    response_s: float = 300
    """Wait for the response to a sub-operation or to an event report."""
    commitment_wait_s: float = 1
    """How long a storage-commitment requestor may keep its association before it gets the result on it."""
    release_wait_s: float = 2
    """How long a drained association may stay idle before it is aborted."""
    private_sop_classes: frozenset[str] = frozenset()
    accept_unknown_sop_classes: bool = False
    log_requests: bool = False
    """One log line for each message, with its duration."""
    trusted_proxies: tuple[str, ...] = ()
    """Balancers that say who calls; from any other address nobody is believed."""

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise Invalid(
                    f"The DIMSE setting {name} is {getattr(self, name)}; it goes from {low} to {high}.", code="settings", field=name
                )
        if not self.ae_titles:
            raise Invalid("The DIMSE door needs an AE title.", code="settings", field="ae_titles")

    @classmethod
    def of(cls, table: Any, **more: Any) -> DimseSettings:
        """From the platform's ``[dicom]`` table: what it names is taken, the rest keeps its default."""
        own = {f.name for f in fields(cls)}
        given = {name: getattr(table, name) for name in own if hasattr(table, name)}
        given["ae_titles"] = (table.ae_title,)
        given["private_sop_classes"] = frozenset(table.private_sop_classes)
        return cls(**{**given, **more})
