"""Distribution: what is sent on of its own accord, to whom, and whether it arrived.

Standards: PS3.4 B (C-STORE); IHE IOCM, RAD-66 (rejection notes)
Owns:      distribution_note
Offers:    followers, note_job, Caller
Emits:     nothing
Follows:   InstanceRejected
"""

from archipel.distribution.deliver import Caller
from archipel.distribution.follow import followers
from archipel.distribution.send_note import note_job

__all__ = ["Caller", "followers", "note_job"]
