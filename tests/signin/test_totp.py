"""One-time codes against the vectors of the RFCs, and the keys under which their secrets are kept."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archipel.kit.errors import Conflict, Invalid, Unavailable
from archipel.kit.settings import DatabaseSettings, Settings, SignInSettings
from archipel.signin import keys, totp

SECRET = b"12345678901234567890"
# RFC 4226, appendix D.
HOTP = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
# RFC 6238, appendix B, SHA-1: seconds since 1970 and eight digits.
TOTP = [
    (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"), (1234567890, "89005924"), (2000000000, "69279037"),
    (20000000000, "65353130"),
]  # fmt: skip


def test_codes_are_those_of_the_rfcs() -> None:
    assert [totp.code_at(SECRET, counter) for counter in range(10)] == HOTP
    assert [totp.code_at(SECRET, seconds // totp.STEP_S, digits=8) for seconds, _ in TOTP] == [code for _, code in TOTP]


def test_a_code_is_taken_a_step_early_or_late_and_once() -> None:
    now = datetime.fromtimestamp(1111111111, UTC)
    step = 1111111111 // 30
    for away in (-1, 0, 1):
        assert totp.matching_step(SECRET, totp.code_at(SECRET, step + away), now, after=0) == step + away
    for away in (-2, 2, 100):
        assert totp.matching_step(SECRET, totp.code_at(SECRET, step + away), now, after=0) is None
    assert totp.matching_step(SECRET, totp.code_at(SECRET, step), now, after=step) is None
    for wrong in ("", "12345", "1234567", "٣٤٥٦٧٨", "12345x"):
        assert totp.matching_step(SECRET, wrong, now, after=0) is None


def test_the_address_is_what_apps_read() -> None:
    address = totp.address_of(SECRET, "c.leroy@x", "Archipel")
    assert address.startswith("otpauth://totp/Archipel:c.leroy%40x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Archipel&")
    picture = totp.picture_of(address)
    assert picture.startswith("<svg xmlns=") and "script" not in picture


def test_what_is_sealed_opens_for_its_account_under_its_key_only(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with pytest.raises(Unavailable):
        keys.keys_of(settings)
    made = keys.keys_of(settings, make=True)
    file = tmp_path / keys.FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keys.keys_of(settings, make=True) == made and [one.name for one in tmp_path.iterdir()] == [keys.FILE]
    sealed = keys.seal(made, SECRET, "account")
    assert keys.unseal(made, sealed, "account") == SECRET and keys.seal(made, SECRET, "account") != sealed
    for other in ({"k2": bytes(32)}, {next(iter(made)): bytes(32)}):
        with pytest.raises(Unavailable):
            keys.unseal(other, sealed, "account")
    with pytest.raises(Unavailable):
        keys.unseal(made, sealed, "another")
    assert keys.unseal({**made, "k2": bytes(32)}, keys.seal({**made, "k2": bytes(32)}, SECRET, "a"), "a") == SECRET
    file.chmod(0o644)
    with pytest.raises(Invalid):
        keys.keys_of(settings)


def test_a_database_of_several_machines_needs_a_named_key_file(tmp_path: Path) -> None:
    elsewhere = Settings(data=tmp_path, database=DatabaseSettings(url="postgresql+psycopg://x/y"))
    with pytest.raises(Conflict):
        keys.keys_of(elsewhere, make=True)
    file = tmp_path / "keys"
    file.write_text("k1 " + "ab" * 32 + "\n")
    file.chmod(0o600)
    named = elsewhere.model_copy(update={"signin": SignInSettings(key_file=str(file))})
    assert keys.keys_of(named) == {"k1": b"\xab" * 32}
    file.write_text("k1 abcd\n")
    with pytest.raises(Unavailable):
        keys.keys_of(named)
