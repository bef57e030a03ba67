"""Door plates tell the truth."""

from __future__ import annotations

import ast

import pytest

from tests.house import plates, rules
from tests.house.rules import Source

PLATE = '''"""Dose: what each exam irradiated.

Standards: PS3.16 TID 10001 (RDSR), TID 10011.
Owns:      dose_event, dose_study
Offers:    find_events
Emits:     DoseExtracted
Follows:   InstanceStored (archive), StudySettled
"""

from archipel.dose.find import find_events
'''


def files(**changed: str) -> dict[str, Source]:
    """A small room, with files replaced or added."""
    made = {
        "__init__.py": PLATE,
        "rows.py": 'a = Table("dose_event", metadata)\nb = Table("dose_study", metadata)\n',
        "changes.py": "class DoseExtracted(Change): ...\n",
        "find.py": "def find_events(tx, scope): ...\n",
    } | {f"{name}.py": text for name, text in changed.items()}
    return {name: Source(f"dose/{name}", text) for name, text in made.items()}


def test_a_true_plate_passes() -> None:
    assert plates.check_plate("dose", files(), {"InstanceStored", "StudySettled"}) == []


@pytest.mark.parametrize(
    ("changed", "follows", "complaint"),
    [
        ({"rows": 'a = Table("dose_event", metadata)\n'}, None, "Owns says dose_study"),
        ({"rows": files()["rows.py"].text + 'c = Table("dose_level", metadata)\n'}, None, "Owns leaves out dose_level"),
        ({"changes": ""}, None, "Emits says DoseExtracted"),
        ({"changes": "class Other(feed.Change): ...\n" + files()["changes.py"].text}, None, "Emits leaves out Other"),
        ({}, {"InstanceStored"}, "Follows says StudySettled"),
        ({"__init__": PLATE.replace("find_events", "gone", 1)}, None, "the plate offers gone"),
        ({"__init__": PLATE.replace("Emits:", "Sends:")}, None, "Emits leaves out DoseExtracted"),
        ({"__init__": PLATE.replace("Dose: ", "Something: ")}, None, "the plate starts with"),
        ({"__init__": ""}, None, "the plate has no line Owns"),
    ],
)
def test_a_false_plate_is_found(changed: dict[str, str], follows: set[str] | None, complaint: str) -> None:
    assert any(complaint in found for found in plates.check_plate("dose", files(**changed), follows))


@pytest.mark.parametrize("room", rules.rooms())
def test_the_plate_of_the_room_tells_the_truth(room: str) -> None:
    follows = plates.followed(plates.followers()).get(room, set())
    complaints = plates.check_plate(room, plates.room_sources(room), follows)
    assert complaints == [], "\n".join(complaints)


def test_the_table_of_flow_tells_the_truth() -> None:
    flow = rules.PACKAGE / "flow.py"
    if not flow.exists():
        pytest.skip("no flow yet")
    all_followers = plates.followers()
    assert all_followers
    docstring = ast.get_docstring(ast.parse(flow.read_text())) or ""
    assert plates.flow_complaints(docstring, all_followers) == []
    assert len(plates.flow_complaints("", all_followers)) >= len(all_followers)
    assert plates.flow_complaints(docstring + "\n| InstanceStored | dose.extract |", all_followers)
