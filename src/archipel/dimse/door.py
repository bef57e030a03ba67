"""The listener: admits associations, runs their messages through the services, drains them at the end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from archipel.audit import Outcome
from archipel.dicom import message, pdu, status
from archipel.dicom.message import Command
from archipel.dimse import commitment, echo, find, negotiation, retrieve, status_table, store
from archipel.dimse.announced import Announced
from archipel.dimse.association import Association, OpenAssociation, Released
from archipel.dimse.negotiation import Context
from archipel.dimse.parts import Parts
from archipel.dimse.wire import PeerGone, Wire
from archipel.kit import traces
from archipel.kit.actor import Actor
from archipel.kit.errors import ArchipelError
from archipel.kit.ids import new_id

log = structlog.get_logger(__name__)

Service = Callable[[Parts, Association, Context, Command], Awaitable[None]]

# The operations that we perform; anything else is answered "unrecognized operation" (PS3.7 Annex C).
SERVICES: dict[int, Service] = {
    message.C_ECHO_RQ: echo.answer,
    message.C_STORE_RQ: store.answer,
    message.C_FIND_RQ: find.answer,
    message.C_MOVE_RQ: retrieve.answer_move,
    message.C_GET_RQ: retrieve.answer_get,
    message.N_ACTION_RQ: commitment.answer,
}
_ABORTED_BY_PROVIDER = 2
_PERMANENT = 1
_WAITING_MAX = 32  # connections of one address that have not got their association yet
_REJECTED_AGAIN_S = 60
_REJECTED_KEPT_MAX = 256


class DimseDoor:
    """Listens for associations. ``start`` may be called once per address (one of them with TLS); all share limits and drain."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[str, Association] = {}
        self._by_device: Counter[str] = Counter()
        self._rejected: dict[tuple[str, str], float] = {}
        self._waiting: Counter[str] = Counter()
        self._draining = False
        parts.metrics.count_incoming(lambda: len(self._open))

    # --- life -------------------------------------------------------------------------------------------------------------------

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen on an address; returns the port, which matters when 0 was asked for."""
        loop = asyncio.get_running_loop()
        handshake_s, shutdown_s = (self._settings.artim_s, 2.0) if tls else (None, None)
        server = await loop.create_server(
            lambda: self._connection(tls is not None),
            host,
            port,
            ssl=tls,
            backlog=512,
            ssl_handshake_timeout=handshake_s,
            ssl_shutdown_timeout=shutdown_s,
        )
        self._servers.append(server)
        bound = int(server.sockets[0].getsockname()[1])
        log.info("dimse.listening", host=host, port=bound, tls=tls is not None, ae_titles=list(self._settings.ae_titles))
        return bound

    def _connection(self, is_tls: bool) -> asyncio.BaseProtocol:
        """A wire; behind a balancer one that waits to be told who calls, which TLS would hide."""
        wire, trusted = Wire(self._opened, self._settings.pdu_bytes_tolerated), self._settings.trusted_proxies
        return Announced(wire, trusted, self._settings.artim_s) if trusted and not is_tls else wire

    @property
    def port(self) -> int:
        """Port of the first listener, 0 when there is none."""
        return self.ports[0] if self._servers else 0

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports of all listeners, in the order in which they were started."""
        return tuple(int(server.sockets[0].getsockname()[1]) for server in self._servers if server.sockets)

    def associations(self) -> list[OpenAssociation]:
        """The open associations, oldest first."""
        return [assoc.facts() for assoc in list(self._open.values())]

    async def stop(self, grace_s: float) -> None:
        """Refuse new work, finish what is under way for up to ``grace_s``, then close everything.

        New associations are rejected as temporary congestion, new requests are answered A700; an association that stays idle is
        aborted, so that its peer sends the rest again later.
        """
        self._draining = True
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_s
        quiet: dict[str, float] = {}
        while self._open and loop.time() < until:
            for assoc in list(self._open.values()):
                assoc.refuses_work = True
                if not assoc.is_idle:
                    quiet.pop(assoc.id, None)
                elif loop.time() - quiet.setdefault(assoc.id, loop.time()) > self._settings.release_wait_s:
                    self._cut_off(assoc.wire)
            await asyncio.sleep(0.02)
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        self._servers.clear()
        self._parts.threads.shutdown(wait=False, cancel_futures=True)
        self._parts.movers.shutdown(wait=False, cancel_futures=True)

    # --- one connection ---------------------------------------------------------------------------------------------------------

    def _opened(self, wire: Wire) -> None:
        full = len(self._tasks) >= 2 * self._settings.associations_max + _WAITING_MAX
        if full or self._waiting[wire.address] >= _WAITING_MAX:
            log.warning("dimse.too_many_connections", address=wire.address)
            wire.give_up("too many connections")
            return
        task = asyncio.get_running_loop().create_task(self._serve(wire))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, wire: Wire) -> None:
        """The door loop of one connection: whatever happens in it ends it and no other."""
        try:
            self._waiting[wire.address] += 1
            try:
                assoc = await self._admit(wire)
            finally:
                self._waiting -= Counter({wire.address: 1})  # in place, and keys that reach zero go
            if assoc is not None:
                await self._run(assoc)
        except PeerGone as gone:
            log.info("dimse.connection_lost", address=wire.address, reason=gone.reason)
        except pdu.PduError as error:
            log.warning("dimse.aborted", address=wire.address, reason=str(error))
            await self._abort(wire, error.abort_reason)
        except Exception:
            log.exception("dimse.failed", address=wire.address)
            await self._abort(wire, 0)
        finally:
            wire.close()

    async def _admit(self, wire: Wire) -> Association | None:
        """Negotiate; None when the association was rejected."""
        kind, body = await wire.read_pdu(self._settings.artim_s, self._settings.artim_s)
        if kind != pdu.ASSOCIATE_RQ:
            raise pdu.PduError(f"{pdu.NAMES[kind]} before an association", abort_reason=2)
        request = pdu.decode(kind, body)
        assert isinstance(request, pdu.AssociateRequest)
        device = None
        rejection = self._refusal(request)
        if rejection is None:
            try:
                device = await self._device(request.calling_ae, wire)
                rejection = negotiation.CALLING_UNKNOWN if device is None else self._limit(request.calling_ae)
            except ArchipelError as error:  # the database is away: the peer shall come again
                log.warning("dimse.no_directory", calling_ae=request.calling_ae, reason=str(error))
                rejection = negotiation.CONGESTED
        if rejection is not None:
            await self._reject(wire, request, rejection)
            return None
        return await self._accept(wire, request, device)

    def _refusal(self, request: pdu.AssociateRequest) -> pdu.AssociateReject | None:
        if self._draining:
            return negotiation.CONGESTED
        return negotiation.refusal(request, self._settings)

    def _limit(self, calling_ae: str) -> pdu.AssociateReject | None:
        full = len(self._open) >= self._settings.associations_max
        return negotiation.LOCAL_LIMIT if full or self._by_device[calling_ae] >= self._settings.associations_per_device_max else None

    async def _device(self, ae_title: str, wire: Wire) -> Any:
        def look(tx: Any) -> Any:
            return self._parts.device_for(tx, ae_title, wire.address)

        return await asyncio.get_running_loop().run_in_executor(self._parts.threads, self._parts.read, look)

    async def _reject(self, wire: Wire, request: pdu.AssociateRequest, rejection: pdu.AssociateReject) -> None:
        log.warning(
            "dimse.rejected",
            calling_ae=request.calling_ae,
            called_ae=request.called_ae,
            address=wire.address,
            reason=negotiation.REASONS[rejection],
        )
        await wire.write(pdu.encode(rejection), self._settings.artim_s)
        if rejection.result == _PERMANENT and self._is_news((request.calling_ae, wire.address)):
            actor = Actor("device", request.calling_ae, address=wire.address)
            detail = {"called_ae": request.called_ae, "reason": negotiation.REASONS[rejection], "outcome": Outcome.REFUSED}
            await asyncio.get_running_loop().run_in_executor(self._parts.threads, self._audit, actor, "", detail)
        await wire.wait_gone(min(self._settings.artim_s, 5))

    def _is_news(self, who: tuple[str, str]) -> bool:
        """Whether a rejection is worth an audit record: once a minute per title and address, so that a flood writes little."""
        now = asyncio.get_running_loop().time()
        self._rejected = {key: at for key, at in self._rejected.items() if now - at < _REJECTED_AGAIN_S}
        if who in self._rejected or len(self._rejected) >= _REJECTED_KEPT_MAX:
            return False
        self._rejected[who] = now
        return True

    async def _accept(self, wire: Wire, request: pdu.AssociateRequest, device: Any) -> Association:
        negotiated = negotiation.negotiate(request, self._settings)
        assoc = Association(
            id=new_id(),
            wire=wire,
            request=request,
            negotiated=negotiated,
            device=device,
            since=self._parts.clock.now(),
            settings=self._settings,
        )
        self._open[assoc.id] = assoc
        self._by_device[assoc.calling_ae] += 1
        return assoc

    async def _run(self, assoc: Association) -> None:
        log.info("dimse.association", association_id=assoc.id, calling_ae=assoc.calling_ae, address=assoc.address)
        ended, loop = "lost", asyncio.get_running_loop()
        try:
            await assoc.wire.write(pdu.encode(assoc.accept), self._settings.stall_s)
            checked_at = loop.time()
            while True:
                context, command = await assoc.receive()
                if loop.time() - checked_at >= self._settings.device_check_s:
                    await self._check_device(assoc)
                    checked_at = loop.time()
                await self._message(assoc, context, command)
        except Released:
            ended = "released"
            with contextlib.suppress(PeerGone):
                await assoc.wire.write(pdu.encode(pdu.ReleaseAnswer()), self._settings.artim_s)
                self._leave(assoc)
                await assoc.wire.wait_gone(min(self._settings.artim_s, 5))
        finally:
            self._leave(assoc)
            await self._record(assoc, ended)

    async def _check_device(self, assoc: Association) -> None:
        """End the association of a device that was switched off, removed or moved to another site meanwhile."""
        try:
            device = await self._device(assoc.calling_ae, assoc.wire)
        except ArchipelError as error:  # the database is away: what needs it says so
            log.warning("dimse.no_directory", calling_ae=assoc.calling_ae, reason=str(error))
            return
        if device is None or device.site_id != assoc.device.site_id:
            raise pdu.PduError(f"{assoc.calling_ae} has no right to this association any more", abort_reason=0)

    def _leave(self, assoc: Association) -> None:
        if self._open.pop(assoc.id, None) is not None:
            self._by_device[assoc.calling_ae] -= 1
            if not self._by_device[assoc.calling_ae]:
                del self._by_device[assoc.calling_ae]

    async def _message(self, assoc: Association, context: Context, command: Command) -> None:
        """One request to its answer, measured."""
        begun = asyncio.get_running_loop().time()
        try:
            await self._answered(assoc, context, command)
        finally:
            seconds = asyncio.get_running_loop().time() - begun
            if command.command_field in SERVICES:
                self._parts.metrics.operation_seconds.labels("dimse", command.name).observe(seconds)
                traces.done(f"dimse {command.name}", seconds, {"archipel.association_id": assoc.id})
            if self._settings.log_requests:
                log.info("dimse.request", association_id=assoc.id, operation=command.name, took_ms=round(seconds * 1000, 1))

    async def _answered(self, assoc: Association, context: Context, command: Command) -> None:
        """A request that fails is answered; only a broken peer or connection ends the association."""
        act = SERVICES.get(command.command_field)
        try:
            if act is None:
                await assoc.skip_dataset()
                await assoc.answer(context, command, status.UNRECOGNIZED_OPERATION, f"{command.name} is not provided")
                return
            await act(self._parts, assoc, context, command)
        except pdu.PduError:
            raise
        except ArchipelError as error:
            await self._failed(assoc, context, command, error)
        except (PeerGone, Released):
            raise
        except Exception as error:
            log.exception("dimse.request_failed", association_id=assoc.id, operation=command.name)
            await self._failed(
                assoc, context, command, ArchipelError("The archive failed; see its log.", code="failed", detail=repr(error))
            )

    async def _failed(self, assoc: Association, context: Context, command: Command, error: ArchipelError) -> None:
        assoc.failed_count += 1
        self._parts.metrics.errors.labels("dimse", error.kind).inc()
        code, comment = status_table.of_error(error)
        log.warning(
            "dimse.request_refused",
            association_id=assoc.id,
            calling_ae=assoc.calling_ae,
            operation=command.name,
            status=f"{code:04X}",
            reason=str(error),
        )
        await assoc.skip_dataset()
        await assoc.answer(context, command, code, comment)

    async def _abort(self, wire: Wire, reason: int) -> None:
        with contextlib.suppress(PeerGone):
            await wire.write(pdu.encode(pdu.Abort(_ABORTED_BY_PROVIDER, reason)), 1)
            await wire.wait_gone(min(self._settings.artim_s, 1))
        wire.close()

    @staticmethod
    def _cut_off(wire: Wire) -> None:
        """Abort an association whose own task is waiting for its peer."""
        wire.send_last(pdu.encode(pdu.Abort(_ABORTED_BY_PROVIDER, 0)), "the archive is stopping")

    async def _record(self, assoc: Association, ended: str) -> None:
        """Write the end of an association into the audit trail; an echo alone is not worth a record."""
        facts = assoc.facts()
        log.info(
            "dimse.association_ended",
            association_id=assoc.id,
            calling_ae=assoc.calling_ae,
            how=ended,
            seconds=round((self._parts.clock.now() - assoc.since).total_seconds(), 1),
            received_count=facts.received_count,
            sent_count=facts.sent_count,
            failed_count=assoc.failed_count,
            bytes=facts.bytes,
        )
        if not (facts.received_count or facts.sent_count or assoc.failed_count):
            return
        detail = {
            "how": ended,
            "received_count": facts.received_count,
            "sent_count": facts.sent_count,
            "failed_count": assoc.failed_count,
            "address": assoc.address,
        }
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._parts.threads, self._audit, assoc.actor, assoc.id, detail))

    def _audit(self, actor: Actor, association_id: str, detail: dict[str, Any]) -> None:
        self._parts.database.transact(
            lambda tx: self._parts.audit(tx, actor=actor, action="dimse.association", object_id=association_id, **detail)
        )
