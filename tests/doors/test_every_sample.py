"""Every sample by every road into a running platform, and back by every way: dataset byte for byte, pixels the same when transcoded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.doors import samples_back, samples_roads
from tests.doors.samples_expected import Expected, Sample, expected, rarest_first, samples
from tests.doors.samples_roads import fail_unless, seconds
from tests.platform import Platform

ROADS = {"import": samples_roads.by_import, "STOW-RS": samples_roads.by_stow, "C-STORE": samples_roads.by_scu}

pytestmark = pytest.mark.timeout(300)


@dataclass
class Road:
    """A platform into which every sample was sent by one road."""

    name: str
    platform: Platform
    sent: list[Sample]
    answers: Counter[str]
    expected: Expected
    kept: dict[str, Sample] = field(default_factory=dict)
    """What the first retrieval found stored: one content of each UID."""


@pytest.fixture(scope="module", params=list(ROADS))
def road(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """One road after the other, each into a data folder of its own."""
    platform = samples_roads.started(tmp_path_factory.mktemp("road"))
    try:
        since = time.monotonic()
        sent = list(samples()) if request.param == "import" else rarest_first(samples())
        answers = ROADS[request.param](platform, sent)
        print(f"\n{request.param}: {len(sent)} files, {dict(answers)}, {seconds(since)}")
        found = Road(request.param, platform, sent, answers, expected(sent))
        with samples_roads.web(platform) as client:
            contents = samples_back.by_wado(client)
        found.kept = same(contents, found.expected, f"{request.param}, WADO-RS", dimse=request.param == "C-STORE")
        yield found
    finally:
        platform.kill()


def same(contents: samples_back.Contents, wanted: Expected, way: str, *, dimse: bool = True) -> dict[str, Sample]:
    """The samples that the contents are, byte for byte; every stored UID must be there and nothing else."""
    missing, more = wanted.contents.keys() - contents.keys(), contents.keys() - wanted.contents.keys()
    fail_unless(not missing and not more, f"{way}: missing {sorted(missing)[:5]}, not expected {sorted(more)[:5]}")
    which = wanted.over_dimse if dimse else wanted.kept
    found = {uid: which(uid, *content) for uid, content in contents.items()}
    differing = [str(wanted.contents[uid][0].path) for uid, one in found.items() if one is None]
    fail_unless(not differing, f"{way}: {len(differing)} are not what was sent: {differing[:5]}")
    print(f"{way}: {len(found)} datasets byte for byte")
    return {uid: one for uid, one in found.items() if one is not None}


def test_everything_readable_is_stored_and_the_rest_has_a_reason(road: Road) -> None:
    """The counts of the answers agree with what pydicom says of the files, and with what is there afterwards."""
    assert road.answers["stored"] + road.answers["already stored"] >= road.expected.count
    sent = [one for one in road.sent if road.name != "C-STORE" or samples_roads.sendable(one)]
    assert sum(road.answers.values()) == len(sent)
    assert road.answers["refused"] == len([one for one in sent if one.reason])
    by_syntax = Counter(one.transfer_syntax_uid for one in road.kept.values())
    print(f"\n{road.name}: {len(road.kept)} stored; " + ", ".join(f"{uid} {count}" for uid, count in sorted(by_syntax.items())))


def test_c_get_gives_back_what_was_sent(road: Road) -> None:
    since = time.monotonic()
    contents = samples_back.by_get(road.platform, list(road.kept.values()))
    assert len(same(contents, road.expected, f"{road.name}, C-GET {seconds(since)}")) == len(road.kept)


def test_c_move_gives_back_what_was_sent(road: Road) -> None:
    since = time.monotonic()
    contents = samples_back.by_move(road.platform, list(road.kept.values()))
    assert len(same(contents, road.expected, f"{road.name}, C-MOVE {seconds(since)}")) == len(road.kept)
