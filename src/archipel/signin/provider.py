"""A provider of identities as it describes itself (OpenID Connect Discovery 1.0), its keys, and what it signed (RFC 7515, 7519)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from archipel.kit.errors import NotAllowed, Unavailable
from archipel.kit.settings import ProviderSettings

KEPT_S = 3600.0  # what a provider says of itself
SILENT_S = 10.0  # one that did not answer is not asked again before
WAIT_S = 2.0  # while another request asks it: a silent provider must not hold every thread
KEYS_AGAIN_S = 60.0  # a token under a key that we do not know lets us ask for keys, and no more often
LEEWAY_S = 60  # between its clock and ours
FROM_PROVIDER = {"Accept": "application/json, application/jwt"}


@dataclass(frozen=True)
class Metadata:
    """What we need of a provider's own description."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    names_itself: bool
    takes_secret_in_body: bool


class Provider:
    """One provider over time: its description and its keys are kept for an hour."""

    def __init__(self, settings: ProviderSettings, *, answer_s: int, bytes_max: int) -> None:
        self.settings = settings
        self._answer_s = answer_s
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, dict[str, jwt.PyJWK]] | None = None
        self._silent_since: float | None = None

    def metadata(self) -> Metadata:
        """Its description. Unavailable when it does not answer, or describes another."""
        with self._asking():
            if self._metadata is None or time.monotonic() - self._metadata[0] > KEPT_S:
                said = self._json("GET", self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
                self._metadata = (time.monotonic(), self._described(said))
            return self._metadata[1]

    def token_answer(self, form: dict[str, str]) -> dict[str, Any]:
        """What the token endpoint gives for a code. Unavailable when it does not answer, NotAllowed when it refuses."""
        metadata, s = self.metadata(), self.settings
        form = {**form, "client_id": s.client_id}
        secret = _secret(s.client_secret_file)
        auth = httpx.BasicAuth(s.client_id, secret) if secret and not metadata.takes_secret_in_body else None
        if secret and auth is None:
            form["client_secret"] = secret
        return self._json("POST", metadata.token_endpoint, data=form, auth=auth)

    def userinfo(self, access_token: str) -> dict[str, Any]:
        """What it says of the person; signed or not. Empty when it has no such address."""
        address = self.metadata().userinfo_endpoint
        if not address:
            return {}
        kind, body = self._fetch("GET", address, headers={"Authorization": f"Bearer {access_token}"})
        if kind == "application/jwt":
            return self.verified(body.decode("ascii", "replace"), require=("sub",))
        return _object(body)

    def verified(self, token: str, *, require: tuple[str, ...]) -> dict[str, Any]:
        """The claims of a token that it signed for us, not over yet. NotAllowed (``token``) for every other."""
        s = self.settings
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in s.algorithms:
                raise jwt.InvalidAlgorithmError("algorithm not allowed")
            claims: dict[str, Any] = jwt.decode(
                token, self._key(str(header.get("kid") or ""), header["alg"]), algorithms=list(s.algorithms), audience=s.client_id,
                issuer=s.issuer, leeway=LEEWAY_S, options={"require": ["iss", "aud", *require]},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise bad_token(type(error).__name__) from error
        return claims

    def _key(self, kid: str, algorithm: str) -> Any:
        keys = self._known_keys(kid)
        fitting = [key for name, key in keys.items() if (not kid or name == kid) and _fits(key, algorithm)]
        if len(fitting) != 1:
            raise jwt.InvalidKeyError("no key, or more than one")
        return fitting[0].key

    def _known_keys(self, kid: str) -> dict[str, jwt.PyJWK]:
        address = self.metadata().jwks_uri
        with self._asking():
            age = time.monotonic() - self._keys[0] if self._keys else KEPT_S + 1
            if self._keys is None or age > KEPT_S or (kid and kid not in self._keys[1] and age > KEYS_AGAIN_S):
                self._keys = (time.monotonic(), _keys(self._json("GET", address)))
            return self._keys[1]

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """One request at a time asks the provider what it says of itself; the others wait a little, or are told that it is silent."""
        if not self._lock.acquire(timeout=WAIT_S):
            raise self._silent("asked already")
        try:
            if self._silent_since is not None and time.monotonic() - self._silent_since < SILENT_S:
                raise self._silent("did not answer a moment ago")
            self._silent_since = None
            yield
        except Unavailable:
            self._silent_since = self._silent_since or time.monotonic()
            raise
        finally:
            self._lock.release()

    def _described(self, said: dict[str, Any]) -> Metadata:
        if said.get("issuer") != self.settings.issuer:
            raise self._silent("it describes another issuer")
        ways = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        metadata = Metadata(
            authorization_endpoint=str(said.get("authorization_endpoint") or ""),
            token_endpoint=str(said.get("token_endpoint") or ""),
            jwks_uri=str(said.get("jwks_uri") or ""),
            userinfo_endpoint=str(said.get("userinfo_endpoint") or ""),
            names_itself=said.get("authorization_response_iss_parameter_supported") is True,
            takes_secret_in_body="client_secret_basic" not in ways and "client_secret_post" in ways,
        )
        scheme = urlsplit(self.settings.issuer).scheme
        needed = [metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri]
        for address in needed + ([metadata.userinfo_endpoint] if metadata.userinfo_endpoint else []):
            if urlsplit(address).scheme not in ("https", scheme):
                raise self._silent("an address of it is missing or not safe")
        return metadata

    def _json(self, method: str, address: str, **options: Any) -> dict[str, Any]:
        return _object(self._fetch(method, address, **options)[1])

    def _fetch(self, method: str, address: str, **options: Any) -> tuple[str, bytes]:
        """Type and body of an answer, bounded in time and size; redirects are not followed."""
        until = time.monotonic() + self._answer_s
        body = bytearray()
        headers = {**FROM_PROVIDER, **options.pop("headers", {})}
        try:
            client = httpx.Client(timeout=self._answer_s, trust_env=False)
            with client, client.stream(method, address, headers=headers, **options) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > self._bytes_max or time.monotonic() > until:
                        raise self._silent("its answer is too long or too slow")
        except httpx.HTTPError as error:
            raise self._silent(type(error).__name__) from error
        if 400 <= answer.status_code < 500:
            raise NotAllowed("The provider refused this sign-in.", code="provider-refused", detail=f"{answer.status_code}")
        if answer.status_code != 200:
            raise self._silent(f"status {answer.status_code}")
        return answer.headers.get("content-type", "").partition(";")[0].strip().lower(), bytes(body)

    def _silent(self, detail: str) -> Unavailable:
        return Unavailable(
            "The provider of identities does not answer as it should.", code="provider-silent", detail=f"{self.settings.id}: {detail}"
        )


def bad_token(detail: str) -> NotAllowed:
    """The refusal of a token that is not ours, over, forged, or for something else."""
    return NotAllowed("What the provider answered cannot be trusted.", code="provider-token", detail=detail)


def _secret(path: str) -> str:
    try:
        return Path(path).read_text().strip() if path else ""
    except (OSError, ValueError) as error:
        raise Unavailable("The secret of a provider cannot be read.", code="provider-silent", detail=type(error).__name__) from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Unavailable("The provider of identities does not answer as it should.", code="provider-silent", detail="no JSON object")
    return said


def _keys(said: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    """The public keys for signatures by their id; those of a kind that we do not know are left out."""
    found: dict[str, jwt.PyJWK] = {}
    listed = said.get("keys")
    for number, one in enumerate(listed if isinstance(listed, list) else []):
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") == "oct":
            continue
        try:
            found[str(one.get("kid") or f"#{number}")] = jwt.PyJWK.from_dict(one)
        except jwt.PyJWTError:
            continue
    return found


def _fits(key: jwt.PyJWK, algorithm: str) -> bool:
    kinds = {"R": "RSA", "P": "RSA", "E": "OKP" if algorithm == "EdDSA" else "EC"}
    return key.key_type == kinds[algorithm[0]]
