"""Dicomweb: the door of the web: search, retrieve and store over HTTP.

Standards: PS3.18 8 to 10 (QIDO-RS, WADO-RS, STOW-RS), 9 (WADO-URI)
Owns:      nothing
Offers:    create
Emits:     nothing
Follows:   nothing
"""

from archipel.dicomweb.door import create

__all__ = ["create"]
