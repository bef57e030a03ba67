"""The sending half of a C-MOVE: one association of our own to the destination, in a thread (PS3.4 C.4.2.3)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import structlog

from archipel import audit, sharing
from archipel.archive import InstanceRef
from archipel.dicom import pdu, scu, sop_classes, status
from archipel.dicom.message import Command
from archipel.dimse.association import Association
from archipel.dimse.parts import Parts
from archipel.dimse.suboperations import NO_COMMON_SYNTAX, Progress, choose_syntax, dataset_in, record
from archipel.kit.database import Tx
from archipel.kit.errors import ArchipelError, NotFound, Unavailable

log = structlog.get_logger(__name__)

_CONTEXTS_MAX = 128
_CONNECTIONS_MAX = 3  # a destination that breaks off is called again this often, then the rest counts as failed


def destination(parts: Parts, assoc: Association, ae_title: str) -> Any:
    """The device of that title if the asker may have exams sent there, or None, which is logged and audited; blocks.

    An asker names active devices of its own site, itself among them, and devices that are open to other sites (decision 0012).
    """

    def look(tx: Tx) -> Any:
        device = parts.device_named(tx, ae_title)
        return device if sharing.may_receive(tx, device, assoc.actor.site_id) else None

    try:
        found = parts.read(look) if ae_title else None
    except NotFound:
        found = None
    if found is None:
        log.warning("move.destination_refused", association_id=assoc.id, calling_ae=assoc.calling_ae, destination=ae_title[:16])
        record_move(parts, assoc, ae_title[:16], (), audit.Outcome.REFUSED)
    return found


def record_move(parts: Parts, assoc: Association, ae_title: str, refs: Sequence[InstanceRef], outcome: audit.Outcome) -> None:
    """Write who asked that what be sent where, per study; what left indeed is recorded beside it when it has; blocks."""
    counts = Counter(ref.study_uid for ref in refs) or Counter({"": 0})

    def act(tx: Tx) -> None:
        for study_uid, count in counts.items():
            parts.audit(
                tx, actor=assoc.actor, action="dimse.move", study_uid=study_uid, object_id=assoc.id, outcome=outcome,
                destination=ae_title, instance_count=count,
            )  # fmt: skip

    parts.database.transact(act)


def check_may_leave(parts: Parts, refs: Sequence[InstanceRef], device: Any) -> None:
    """NotAllowed when the training region's exams would be sent to a device outside it; blocks."""
    parts.read(lambda tx: sharing.check_destination(tx, {ref.site_id for ref in refs}, device.site_id))


def offers(refs: Sequence[InstanceRef]) -> list[tuple[str, tuple[str, ...]]]:
    """Presentation contexts for these instances: each stored syntax by itself, and both uncompressed ones, for every SOP class."""
    stored: dict[str, dict[str, None]] = {}
    for ref in refs:
        stored.setdefault(ref.sop_class_uid, {})[ref.transfer_syntax_uid] = None
    wanted: list[tuple[str, tuple[str, ...]]] = []
    for sop_class, syntaxes in stored.items():
        own = [(uid,) for uid in syntaxes if uid not in (sop_classes.EXPLICIT_LITTLE, sop_classes.IMPLICIT_LITTLE)]
        plain = [(sop_classes.EXPLICIT_LITTLE, sop_classes.IMPLICIT_LITTLE), (sop_classes.IMPLICIT_LITTLE,)]
        wanted += [(sop_class, choice) for choice in (*own, *plain)]
    return wanted


def batches(refs: Sequence[InstanceRef]) -> Iterator[list[InstanceRef]]:
    """The instances in runs whose contexts fit in one association; nearly always there is one."""
    batch: list[InstanceRef] = []
    kinds: dict[str, set[str]] = {}
    for ref in refs:
        known = kinds.setdefault(ref.sop_class_uid, set())
        known.add(ref.transfer_syntax_uid)
        if sum(len(syntaxes) + 2 for syntaxes in kinds.values()) > _CONTEXTS_MAX:
            yield batch
            batch, kinds = [], {ref.sop_class_uid: {ref.transfer_syntax_uid}}
        batch.append(ref)
    if batch:
        yield batch


class Sending:
    """The sub-operations of one C-MOVE; ``run`` blocks, ``progress`` may be read meanwhile, ``cancelled`` stops it between two."""

    def __init__(
        self, parts: Parts, assoc: Association, command: Command, device: Any, refs: list[InstanceRef], progress: Progress
    ) -> None:
        self._parts = parts
        self._originator = (assoc.calling_ae, command.message_id or 0)
        self._device = device
        self._refs = refs
        self._assoc = assoc
        self.progress = progress
        self.cancelled = threading.Event()

    def run(self) -> None:
        """Send them all and record what left; every one is counted unless it is cancelled first."""
        try:
            for batch in batches(self._refs):
                self._send_batch(batch)
        finally:
            record(self._parts, self._assoc, self.progress, destination=self._device.ae_title)

    def _send_batch(self, batch: list[InstanceRef]) -> None:
        position, reason = 0, "The destination broke off"
        for _ in range(_CONNECTIONS_MAX):
            try:
                with self._association(batch[position:]) as association:
                    while position < len(batch) and association.is_open and not self.cancelled.is_set():
                        position += 1
                        self._send_one(association, batch[position - 1])
            except (Unavailable, pdu.PduError) as error:
                reason = error.public
                log.warning("move.no_association", association_id=self._assoc.id, destination=self._device.ae_title, reason=str(error))
                break
            if position == len(batch) or self.cancelled.is_set():
                return
        for ref in batch[position:]:
            self.progress.count(ref, status.PROCESSING_FAILURE, reason)

    def _association(self, refs: Sequence[InstanceRef]) -> scu.Association:
        tls = self._parts.tls_client if self._device.tls else None
        if self._device.tls and tls is None:  # nothing goes in clear instead
            raise Unavailable(f"{self._device.ae_title} asks for TLS, and no certificate is set.", code="no-tls")
        peer = scu.Peer(self._device.host, self._device.port, self._device.ae_title, self._parts.ae_title, tls)
        s = self._parts.settings
        limits = scu.Limits(artim_s=s.artim_s, response_s=s.response_s, counted=self._parts.metrics.outgoing)
        return scu.Association(peer, offers(refs), limits=limits)

    def _send_one(self, association: scu.Association, ref: InstanceRef) -> None:
        accepted = association.accepts(ref.sop_class_uid)
        if not accepted:
            self.progress.count(ref, status.CLASS_NOT_SUPPORTED, "The destination does not take some SOP classes")
            return
        to = choose_syntax(ref.transfer_syntax_uid, accepted)
        if to is None:
            self.progress.count(ref, status.PROCESSING_FAILURE, NO_COMMON_SYNTAX)
            return
        with ExitStack() as stack:
            try:
                chunks = stack.enter_context(dataset_in(self._parts, ref, to))
            except ArchipelError as error:  # nothing was sent yet: the next instance can go
                self.progress.count(ref, status.PROCESSING_FAILURE, error.public)
                return
            try:
                answer = association.store(ref.sop_class_uid, ref.sop_instance_uid, to, chunks, originator=self._originator)
            except ArchipelError as error:
                association.abort()  # half a dataset may be under way
                log.warning("move.broken", association_id=self._assoc.id, sop_instance_uid=ref.sop_instance_uid, reason=str(error))
                self.progress.count(ref, status.PROCESSING_FAILURE, error.public)
                return
        self.progress.count(ref, answer.status, answer.comment)
