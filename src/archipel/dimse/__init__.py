"""DIMSE: the door of modalities, archives and workstations that speak DICOM over TCP.

Standards: PS3.7, PS3.8; PS3.4 A (verification), B (storage), C (query/retrieve), J (storage commitment); PS3.15 B (TLS)
Owns:      nothing
Offers:    create -> DimseDoor: start, stop, port, associations, send_commitment_result
Emits:     nothing
Follows:   nothing
"""

from archipel.dimse.association import OpenAssociation
from archipel.dimse.create import create
from archipel.dimse.door import DimseDoor
from archipel.dimse.settings import DimseSettings

__all__ = ["DimseDoor", "DimseSettings", "OpenAssociation", "create"]
