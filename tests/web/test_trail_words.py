"""Each act that is recorded has its words in both languages, and its codes."""

from __future__ import annotations

import ast
import re

import pytest

from archipel import audit, identity
from archipel.audit.codes import ACCESSES
from tests.house.rules import PACKAGE

I18N = PACKAGE.parents[1] / "web" / "src" / "i18n"
# Acts whose last word is of an enumeration.
OF_ENUMERATIONS = {f"identity.{one.value}" for kind in (identity.DecisionKind, identity.Verdict) for one in kind}
# What records under a name that it is given; those who give it are found by the name of its parameter.
GIVEN = {"web/trail.py": {"audit.search", "audit.export"}}


def recorded() -> set[str]:
    """Every act that the package records."""
    found = set(OF_ENUMERATIONS)
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            if not _records(call, name):
                continue
            said = {
                one.value
                for part in [*call.args[2:3], *(k.value for k in call.keywords if k.arg == "action")]
                for one in ast.walk(part)
                if isinstance(one, ast.Constant) and isinstance(one.value, str) and re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", one.value)
            }
            given = GIVEN.get(name, set()) or {one for one in OF_ENUMERATIONS if name.startswith("identity/")}
            assert said or given, f"{name}:{call.lineno}: the test does not see what is recorded"
            found |= said or given
    return found


def _records(call: ast.Call, name: str) -> bool:
    text = ast.unparse(call.func)
    if name == "audit/record.py" or name == "audit/__init__.py":
        return False
    return text in ("audit.record", "parts.audit", "self._parts.audit") or (name.startswith("audit/") and text == "record")


ACTS = sorted(recorded())


def test_the_test_sees_the_acts() -> None:
    assert len(ACTS) > 40
    assert {"archive.open", "archive.reject", "signin.sign_in", "identity.merge", "audit.export", "audit.remove", "dimse.send"} <= set(ACTS)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_each_act_has_its_words(language: str) -> None:
    text = (I18N / f"{language}.ts").read_text()
    section = re.search(r"^  acts: \{\n(.*?)^  \},", text, re.MULTILINE | re.DOTALL)
    assert section
    worded = set(re.findall(r"^    (\w+):", section[1], re.MULTILINE))
    assert [one for one in ACTS if one.replace(".", "_") not in worded] == []


def test_what_is_kept_as_reading_is_recorded() -> None:
    """A name that nothing records would be one that was mistyped; those of doors that are still to come are named here."""
    assert set(ACCESSES) - set(ACTS) <= {"identity.query"}
    assert all(audit.event_of(one).id for one in ACTS)
