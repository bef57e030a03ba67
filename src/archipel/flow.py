"""Who follows which change. Read this first.

| change                | followers                                              |
|-----------------------|--------------------------------------------------------|
| InstanceStored        | archive.quiet_timer, archive.rejection_notes           |
| StudySettled          | archive.persons, archive.sealing                       |
| SeriesSealed          | none yet                                               |
| InstanceRejected      | distribution.rejection_notes                           |
| RejectionRevoked      | none yet                                               |
| ConflictResolved      | archive.persons                                        |
| PersonsChanged        | none yet                                               |
| ConflictFound         | none yet (the web app's live stream reads the feed)    |

Each follower takes batches in one transaction, reads current state, and can be replayed from zero.
"""

from __future__ import annotations

from archipel import archive, distribution
from archipel.kit.blobs import Blobs
from archipel.kit.feed import Follower
from archipel.kit.settings import Settings


def followers(blobs: Blobs, settings: Settings) -> tuple[Follower, ...]:
    """All followers, in the order in which they advance."""
    return (
        *archive.followers(blobs, quiet_s=settings.archive.quiet_s, seals=settings.archive.seal),
        *distribution.followers(deadline_h=settings.dicom.note_deadline_hours),
    )
