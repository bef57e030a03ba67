"""The six kinds of error, each with a message for the caller and a detail for the log."""

from __future__ import annotations


class ArchipelError(Exception):
    """Something that was asked for and could not be done.

    ``public`` says what was attempted, on which id, and what to do; it never holds patient data.
    ``code`` is a stable slug that clients translate; ``field`` names the input at fault; ``detail`` is for the log.
    """

    kind = "error"

    def __init__(self, public: str, *, code: str, detail: str = "", field: str = "") -> None:
        super().__init__(public)
        self.public = public
        self.code = code
        self.detail = detail
        self.field = field

    def __str__(self) -> str:
        return f"{self.public} ({self.detail})" if self.detail else self.public


class Invalid(ArchipelError):
    """The input cannot be understood or breaks a rule; sending it again unchanged will fail again."""

    kind = "invalid"


class NotFound(ArchipelError):
    """Nothing with that id that the caller may see."""

    kind = "not_found"


class NotAllowed(ArchipelError):
    """The caller is known and has no right to do this."""

    kind = "not_allowed"


class Conflict(ArchipelError):
    """The state of the record does not permit the act."""

    kind = "conflict"


class LimitReached(ArchipelError):
    """A bound of the platform was met; the public message names it."""

    kind = "limit_reached"


class Unavailable(ArchipelError):
    """A part that is needed does not answer; trying again later may work."""

    kind = "unavailable"
