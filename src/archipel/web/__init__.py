"""Web: the public API under /api/v1, and the browser's files.

Standards: RFC 9110 (HTTP, ranges), RFC 7578 (multipart/form-data), HTML server-sent events, PS3.10 and PS3.12 (the ZIP of an exam)
Owns:      web_answer
Offers:    create, install
Emits:     nothing
Follows:   nothing (the live stream reads the feed)
"""

from archipel.web.create import create, install
from archipel.web.parts import Echo, Hl7Queue

__all__ = ["Echo", "Hl7Queue", "create", "install"]
