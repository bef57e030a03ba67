"""A provider of identities that signs whatever a test asks for: right tokens, and all the wrong ones."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT = "archipel"
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class ForgingProvider:
    """It gives a code for any request at once; ``claims`` are added to its ID tokens (None removes one), ``userinfo`` is what it says more."""

    issuer: str = ""
    key: Any = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    kid: str = "one"
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    answer: Any = None
    forge: Callable[[str], str] | None = None

    def authorize(self, address: str) -> dict[str, str]:
        """What the browser carries back for the address to which it was sent."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(address).query).items()}
        code = hashlib.sha256(asked["state"].encode()).hexdigest()
        self.asked[code] = asked
        return {"code": code, "state": asked["state"]}

    def signed(self, *, key: Any = None, algorithm: str = "RS256", kid: str | None = None, **claims: Any) -> str:
        """A token of it."""
        now = int(time.time())
        whole = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "sub": "dr-1", **self.claims, **claims}
        said = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(said, self.key if key is None else key, algorithm, headers={"kid": self.kid if kid is None else kid})

    def logout_token(self, **claims: Any) -> str:
        """A logout token."""
        return self.signed(**{"events": {LOGOUT: {}}, "jti": str(time.monotonic_ns()), **claims})

    def respond(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        """Status and body for a request."""
        self.counts[path] = self.counts.get(path, 0) + 1
        if path == "/.well-known/openid-configuration":
            at = {f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("authorization", "token", "userinfo")}
            return 200, {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", **at, **self.metadata}
        if path == "/jwks":
            kind = jwt.algorithms.RSAAlgorithm if isinstance(self.key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
            return 200, {"keys": [{**kind.to_jwk(self.key.public_key(), as_dict=True), "kid": self.kid, "use": "sig"}]}
        if path == "/userinfo":
            return 200, self.userinfo
        asked = self.asked.pop(form.get("code", ""), None)
        verifier = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).decode().rstrip("=")
        if asked is None or asked["code_challenge"] != verifier or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        nonce = asked["nonce"]
        token = self.forge(nonce) if self.forge else self.signed(nonce=self.claims.get("nonce", nonce))
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": token}


@contextmanager
def forging_provider() -> Iterator[ForgingProvider]:
    """One on a free port of this machine, until the block ends."""
    provider = ForgingProvider()

    class Wire(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            form = {key: values[0] for key, values in parse_qs(self.rfile.read(length).decode()).items()}
            status, body = provider.respond(urlsplit(self.path).path, form)
            raw = provider.answer if provider.answer is not None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Wire)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def other_key() -> Any:
    """A key that is not the provider's."""
    return ec.generate_private_key(ec.SECP256R1())
