"""Once: a request that is sent again under the same Idempotency-Key is carried out once, and answered again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, Invalid
from archipel.kit.ids import new_id
from archipel.web import rows
from archipel.web.parts import Call

T = TypeVar("T", bound=BaseModel)
HEADER = "Idempotency-Key"
KEY_LENGTH_MAX = 200
KEPT_HOURS = 24
# For the OpenAPI description of a route that can be repeated.
REPEATABLE: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH_MAX, "pattern": "^[!-~]+$"},
            "description": f"The same key with the same body within {KEPT_HOURS} hours is carried out once and answered alike.",
        }
    ]
}


def once(call: Call, body: BaseModel | None, kind: type[T], act: Callable[[Tx], T], *, secret: str = "") -> T:
    """Run an act in a transaction and give its answer; under a key that was used, the answer that was given then.

    The key is taken and the answer kept in the transaction of the act: what fails keeps nothing, and of two at once one waits.
    ``secret`` names what was made when the answer holds a secret: that answer is not kept, and asking again is a Conflict that says so.
    """
    key = call.request.headers.get(HEADER)
    if key is None:
        return call.database.transact(act)
    if not 1 <= len(key) <= KEY_LENGTH_MAX or not (key.isascii() and key.isprintable()) or " " in key:
        raise Invalid(f"An {HEADER} has 1 to {KEY_LENGTH_MAX} printable ASCII characters.", code="idempotency_key", field=HEADER)
    asked = _digest(call.request.method, call.request.url.path, body.model_dump_json() if body is not None else "")

    def run(tx: Tx) -> T:
        now = tx.now()
        rows.forget(tx, to_text(now - timedelta(hours=KEPT_HOURS)))
        answer_id = new_id()
        taken = rows.take(tx, id=answer_id, login=call.actor.id, key_digest=_digest(key), request_digest=asked, at=to_text(now))
        if taken is not None:
            return _again(taken, asked, kind, secret)
        made = act(tx)
        rows.keep(tx, answer_id, "" if secret else made.model_dump_json())
        return made

    return call.database.transact(run)


def _again(taken: Any, asked: str, kind: type[T], secret: str) -> T:
    if taken.request_digest != asked:
        raise Conflict("This key was used for another request.", code="idempotency_key_reused", field=HEADER)
    if secret:
        raise Conflict(f"This was done already for {secret}; what was shown then is not kept.", code="already_done", field=HEADER)
    return kind.model_validate_json(taken.body)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
