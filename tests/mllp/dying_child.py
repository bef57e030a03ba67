"""A door whose process is killed while it applies the first message: after it was kept, before it is answered."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from archipel import mllp
from archipel.hl7 import adt, er7
from archipel.hl7.problems import Problem
from archipel.kit.actor import Actor
from archipel.kit.database import Database, Tx
from archipel.kit.logs import configure_logs
from archipel.kit.settings import MllpSettings
from tests.mllp.listening import HEAR_ADT


def hears(tx: Tx, actor: Actor, message: er7.Message) -> tuple[Problem, ...]:
    """Do the work, and die."""
    HEAR_ADT(tx, actor, message)
    os.kill(os.getpid(), signal.SIGKILL)
    return ()


async def serve(url: str) -> None:
    """Listen until killed; the port goes to standard output."""
    queue = mllp.Queue(Database(url), {"ADT": mllp.Listens(adt.EVENTS["ADT"], hears)})
    print(await mllp.create(queue, MllpSettings()).start("127.0.0.1", 0), flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    configure_logs(level="CRITICAL")
    asyncio.run(serve(sys.argv[1]))
