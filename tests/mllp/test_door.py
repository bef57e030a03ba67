"""The listener under senders that are many, slow, unknown or hostile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archipel import audit, directory, migrations, mllp
from archipel.directory import Hl7Peer, Site
from archipel.hl7 import ack, er7
from archipel.hl7.mllp import frame
from archipel.kit.clock import SetClock
from archipel.kit.database import Database
from archipel.kit.settings import MllpSettings
from tests.mllp.listening import TEST, Listening, Wire, adt_message


@pytest.fixture
def database(tmp_path: Path, clock: SetClock) -> Iterator[Database]:
    """One back end: what these tests ask is asked of the wire."""
    database = Database(f"sqlite:///{tmp_path / 'd.db'}", clock=clock)
    migrations.upgrade(database)
    database.transact(directory.ensure_default_site)
    yield database
    database.close()


def test_messages_on_one_connection_are_answered_in_order(listening: Listening) -> None:
    with listening.wire() as wire:
        wire.put(b"".join(frame(adt_message(str(n), family=f"F{n}")) for n in range(30)))
        told = [wire.told() for _ in range(30)]
    assert [(one.code, one.control_id) for one in told] == [("AA", str(n)) for n in range(30)]
    assert listening.family("100001") == "F29"
    assert [one.control_id for one in listening.kept()] == [str(n) for n in range(30)]
    assert listening.counted("ADT^A28", "AA") == 30


def test_two_senders_at_one_address_are_told_apart_by_their_names(listening: Listening) -> None:
    listening.site("b", issuer="HOP-B")
    listening.peer("RIS", site="b")
    with listening.wire() as one, listening.wire() as two:
        assert one.send(adt_message("1", sender="GAM")).code == "AA"
        assert two.send(adt_message("1", sender="ris", authority="HOP-B")).code == "AA"
        nobody = two.send(adt_message("2", sender="OTHER"))
    assert (nobody.code, nobody.problems[0].condition, str(nobody.problems[0].place)) == ("AR", "unknown-key", "MSH-3")
    assert [(kept.peer, kept.site_id, kept.state) for kept in listening.kept()] == [("GAM", "a", "applied"), ("RIS", "b", "applied")]
    assert listening.family("100001", "HOP-B") == "DURAND"


def test_an_unknown_sender_is_told_and_leaves_nothing_but_a_bounded_record(make_listening: Callable[..., Listening]) -> None:
    listening = make_listening()
    listening.peer("GAM", host="192.0.2.9")
    with listening.wire() as wire:
        assert {wire.send(adt_message(str(n), family="SECRET")).code for n in range(5)} == {"AR"}
        assert wire.send(adt_message("9", family="S" * 100_000)).code == "AR"
    assert listening.kept() == []
    with listening.database.read() as tx:
        records = audit.search(tx, action="mllp.message")
    assert [(one.actor.id, one.actor.address, one.outcome) for one in records if one.actor.id != "-"] == [
        ("GAM/HOP-A", "127.0.0.1", audit.Outcome.REFUSED)
    ]
    assert len(records) <= 2 and "SECRET" not in repr(records)
    assert listening.counted("unknown-sender", "AR") == 6
    listening.peer("GAM")
    assert listening.send(adt_message("10")).code == "AA", "known from the next connection on"


def test_a_peer_that_is_switched_off_or_whose_site_is_closed_is_not_heard(listening: Listening) -> None:
    with listening.wire() as wire:
        assert wire.send(adt_message("1")).code == "AA"
        listening.peer("GAM", active=False)
        time.sleep(1.1)
        assert wire.send(adt_message("2")).code == "AR"


def test_what_a_peer_sends_that_is_switched_off_is_not_taken_for_its_neighbour_s(listening: Listening) -> None:
    with listening.database.write() as tx:
        directory.add_site(tx, TEST, Site("b", "Another", issuer="HOP-B"))
        directory.add_hl7_peer(tx, TEST, Hl7Peer("RIS-B", "127.0.0.1", 2575, "b", active=False))
    assert listening.send(adt_message("1", authority="")).code == "AA"
    assert listening.send(adt_message("2", family="MARTIN", authority="", sender="RIS-B", at="20260110111500")).code == "AR"
    assert listening.record("100001").traits.birth_family == "DURAND"


def test_garbage_between_frames_and_cut_frames_lose_no_message(listening: Listening) -> None:
    with listening.wire() as wire:
        wire.put(b"GET / HTTP/1.1\r\n\r\n" + frame(adt_message("1")) + b"noise\x00\xff" + frame(adt_message("2")))
        cut = frame(adt_message("3"))[:150]
        wire.put(cut + frame(adt_message("4")))
        told = [wire.told() for _ in range(4)]
    assert [(one.code, one.control_id) for one in told] == [("AA", "1"), ("AA", "2"), ("AE", "3"), ("AA", "4")]
    assert [one.state for one in listening.kept()] == ["applied", "applied", "refused", "applied"]
    with listening.wire() as wire:
        wire.put(frame(adt_message("5"))[:-40])  # and it goes
    assert listening.send(adt_message("6")).code == "AA"
    assert len(listening.kept()) == 5


def test_bytes_that_are_no_message(listening: Listening) -> None:
    with listening.wire() as wire:
        assert wire.send(b"hello").code == "AE"
        assert wire.send(b"MSH|^~\\&|GAM").code == "AR"
        wrong = wire.send(adt_message("7", family="X").replace(b"ALICE", b"\xff\xfe"))
        assert (wrong.code, wrong.control_id, wrong.problems[0].condition) == ("AE", "7", "data-type")
        other = wire.send(adt_message("8", charset="JIS X 0208"))
        assert (other.code, other.problems[0].condition) == ("AE", "table-value")
        assert wire.send(adt_message("9")).code == "AA"
    assert [one.state for one in listening.kept()] == ["refused"] * 4 + ["applied"]


def test_a_million_segments_are_refused_whole(listening: Listening) -> None:
    with listening.wire() as wire:
        many = wire.send(adt_message("1", more="NTE|1||x\r" * 1_000_000))
        assert (many.code, many.problems[0].condition) == ("AR", "internal") and "segments" in many.problems[0].text
        assert wire.send(adt_message("2")).code == "AA"
    (kept, _) = listening.kept()
    assert (kept.state, kept.size_bytes > 8_000_000) == ("refused", True)


def test_a_message_that_is_too_long_is_told_so_from_its_head(make_listening: Callable[..., Listening]) -> None:
    listening = make_listening(message_bytes_max=65_536)
    listening.peer("GAM")
    with listening.wire() as wire:
        told = wire.send(adt_message("1", more="OBX|1|TX|||" + "x" * 200_000))
        assert (told.code, told.control_id) == ("AR", "1") and "longer" in told.problems[0].text
        assert wire.send(adt_message("2")).code == "AA"


def test_slow_and_silent_senders_are_let_go(make_listening: Callable[..., Listening]) -> None:
    listening = make_listening(message_s=1, idle_s=2)
    listening.peer("GAM")
    with listening.wire() as drip, listening.wire() as silent:
        begun = time.monotonic()
        for byte in frame(adt_message())[:60]:
            try:
                drip.put(bytes([byte]))
            except OSError:
                break
            time.sleep(0.1)
            if time.monotonic() - begun > 4:
                break
        assert time.monotonic() - begun < 3
        assert silent.is_closed()
        assert 1.5 < time.monotonic() - begun < 6
    assert listening.kept() == []


def test_connections_are_bounded(make_listening: Callable[..., Listening]) -> None:
    listening = make_listening(address_connection_count_max=3)
    listening.peer("GAM")
    wires = [listening.wire() for _ in range(3)]
    assert [wire.send(adt_message(str(n))).code for n, wire in enumerate(wires)] == ["AA"] * 3
    with listening.wire() as fourth:
        assert fourth.is_closed()
    for wire in wires:
        wire.socket.close()
    time.sleep(0.2)
    assert listening.send(adt_message("9")).code == "AA"


def test_what_was_taken_is_answered_at_the_end(make_listening: Callable[..., Listening]) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(tx: object, actor: object, message: er7.Message) -> tuple[()]:
        entered.set()
        go_on.wait(10)
        return ()

    listening = make_listening(hears=slow)
    listening.peer("GAM")
    idle, busy = listening.wire(), listening.wire()
    busy.put(frame(adt_message("1")) + frame(adt_message("2")))
    assert entered.wait(10)
    ending = threading.Thread(target=listening.stop)
    ending.start()
    assert idle.is_closed()
    go_on.set()
    assert busy.told().control_id == "1"
    with pytest.raises((EOFError, ConnectionResetError)):
        busy.told()
    ending.join(20)
    assert [(one.control_id, one.state) for one in listening.kept()] == [("1", "applied")]
    with pytest.raises(OSError):
        Wire(listening.port)


@pytest.mark.parametrize(
    ("accept", "application", "event", "codes"),
    [
        ("AL", "AL", "A28", ["CA", "AA"]), ("AL", "NE", "A28", ["CA"]), ("AL", "ER", "A28", ["CA"]), ("NE", "AL", "A28", ["AA"]),
        ("ER", "AL", "A99", ["CR"]), ("NE", "ER", "A99", ["AR"]), ("AL", "AL", "A99", ["CR"]), ("SU", "NE", "A28", ["CA"]),
    ],
)  # fmt: skip
def test_enhanced_mode(listening: Listening, accept: str, application: str, event: str, codes: list[str]) -> None:
    with listening.wire() as wire:
        wire.put(frame(adt_message("1", event, accept=accept, application=application)) + frame(adt_message("2")))
        told = [wire.told() for _ in range(len(codes) + 1)]
    assert [(one.code, one.control_id) for one in told] == [*((code, "1") for code in codes), ("AA", "2")]


def test_an_answer_names_no_patient(listening: Listening) -> None:
    with listening.wire() as wire:
        for message in (adt_message("1"), adt_message("2", "A40"), adt_message("3").replace(b"|F||", b"|Q||")):
            wire.put(frame(message))
            answer = wire.raw()
            assert ack.read(er7.parse(answer)).control_id in ("1", "2", "3")
            assert not any(word in answer for word in (b"DURAND", b"ALICE", b"100001", b"19800514"))


def test_in_clear_only_this_machine_hears() -> None:
    assert mllp.plain_host(MllpSettings(host="0.0.0.0", port=2575)) == "127.0.0.1"
    assert mllp.plain_host(MllpSettings(host="::1", port=2575)) == "::1"
    assert mllp.plain_host(MllpSettings(host="10.0.0.4", port=2575, allow_plain=True)) == "10.0.0.4"
