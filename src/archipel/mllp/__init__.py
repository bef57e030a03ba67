"""MLLP: the door of hospital systems that send HL7 v2 messages, and the queue in which every message is kept.

Standards: MLLP release 1; HL7 v2.5.1 2.9 (acknowledgements); IHE ATNA (TLS with certificates on both ends)
Owns:      mllp_message
Offers:    create, MllpDoor, plain_host, tls_contexts; Queue, Listens, STATES; messages, counts,
           message_of, contents, replay, apply_left, forget
Emits:     nothing
Follows:   nothing
"""

from archipel.kit.tls import TlsContexts
from archipel.mllp.apply import Outcome
from archipel.mllp.create import create, plain_host, tls_contexts
from archipel.mllp.door import MllpDoor
from archipel.mllp.model import STATES, Kept, State
from archipel.mllp.parts import Hears, Listens, Queue
from archipel.mllp.queue import apply_left, contents, counts, forget, message_of, messages, replay

__all__ = [
    "STATES", "Hears", "Kept", "Listens", "MllpDoor", "Outcome", "Queue", "State", "TlsContexts", "apply_left", "contents", "counts",
    "create", "forget", "message_of", "messages", "plain_host", "replay", "tls_contexts",
]  # fmt: skip
