"""Audit: who did what to which record, written in the transaction of the act itself.

Standards: PS3.15 A.5 (audit trail messages); IHE ATNA
Owns:      audit_record
Offers:    record, trace, search
Emits:     nothing
Follows:   nothing
"""

from archipel.audit.model import AuditRecord, Outcome
from archipel.audit.record import record, search, trace

__all__ = ["AuditRecord", "Outcome", "record", "search", "trace"]
