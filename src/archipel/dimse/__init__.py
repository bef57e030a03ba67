"""DIMSE: the door of modalities, archives and workstations that speak DICOM over TCP.

Standards: PS3.7, PS3.8; PS3.4 A (verification), B (storage), C (query/retrieve), J (storage commitment); PS3.15 B (TLS)
Owns:      nothing
Offers:    create, DimseDoor, commitment_job, tls_contexts
Emits:     nothing
Follows:   nothing
"""

from archipel.dimse.association import OpenAssociation
from archipel.dimse.commitment import commitment_job
from archipel.dimse.create import create
from archipel.dimse.door import DimseDoor
from archipel.dimse.settings import DimseSettings
from archipel.dimse.tls import TlsContexts, tls_contexts

__all__ = ["DimseDoor", "DimseSettings", "OpenAssociation", "TlsContexts", "commitment_job", "create", "tls_contexts"]
