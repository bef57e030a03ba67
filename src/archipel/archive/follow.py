"""What the archive does after its own changes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from archipel.archive.changes import ConflictResolved, InstanceStored, StudySettled
from archipel.archive.persons import hand_over, replay_patients
from archipel.archive.rejection_note import apply_received_notes, replay_notes
from archipel.archive.seal import ask_for_settled, replay_settled
from archipel.archive.settle import replay_unsettled, start_quiet_time
from archipel.kit.blobs import Blobs
from archipel.kit.feed import Follower


def followers(blobs: Blobs, *, quiet_s: int, seals: bool = True) -> Sequence[Follower]:
    """The archive's followers: the quiet timer, the rejection notes, the patients' persons, the sealing of what has settled."""
    sealing = (Follower("archive.sealing", (StudySettled,), ask_for_settled, replay_settled),) if seals else ()
    return (
        Follower("archive.quiet_timer", (InstanceStored,), partial(start_quiet_time, quiet_s=quiet_s), replay_unsettled),
        Follower("archive.rejection_notes", (InstanceStored,), partial(apply_received_notes, blobs=blobs), replay_notes),
        # The register of persons is held until a batch has ended: small ones let messages come between.
        Follower("archive.persons", (StudySettled, ConflictResolved), hand_over, replay_patients, batch_count_max=50),
        *sealing,
    )
