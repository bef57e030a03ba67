"""Audit: who did what to which record, written in the transaction of the act itself, then chained, signed, and sent on.

Standards: PS3.15 A.5 (audit trail messages); IHE ATNA (ITI-20); RFC 5424, RFC 5425 (syslog over TLS); FHIR R4 AuditEvent; RFC 8032
Owns:      audit_record, audit_pending, audit_link, audit_head, audit_day, audit_removal, audit_sent, audit_verified
Offers:    record, trace, search, look_up, chain, chain_state, figures, forget, signing_key, read_key, read_public_key, verify_chain,
           note_verified, audit_message, audit_event, event_of, ACCESSES, syslog_sender, fhir_sender, upkeep, key_file
Emits:     nothing
Follows:   nothing
"""

from archipel.audit.chain import ChainState, chain, chain_state, figures, signing_key
from archipel.audit.codes import ACCESSES, event_of
from archipel.audit.fhir_event import audit_event
from archipel.audit.forget import forget
from archipel.audit.keys import Key, PublicKey, read_key, read_public_key
from archipel.audit.message import audit_message
from archipel.audit.model import AuditRecord, Outcome, Search
from archipel.audit.record import look_up, record, search, trace
from archipel.audit.send import fhir_sender, syslog_sender
from archipel.audit.upkeep import key_file, upkeep
from archipel.audit.verify import Finding, Verified, note_verified, verify_chain

__all__ = [
    "ACCESSES", "AuditRecord", "ChainState", "Finding", "Key", "Outcome", "PublicKey", "Search", "Verified", "audit_event",
    "audit_message", "chain", "chain_state", "event_of", "fhir_sender", "figures", "forget", "key_file", "look_up", "note_verified",
    "read_key", "read_public_key", "record", "search", "signing_key", "syslog_sender", "trace", "upkeep", "verify_chain",
]  # fmt: skip
