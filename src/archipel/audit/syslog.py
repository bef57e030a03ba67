"""Syslog over TLS: one message as RFC 5424 says, framed as RFC 5425 says, until the receiver says that it has read it."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import sys
import termios
import time
from datetime import datetime

from archipel.kit.clock import to_text
from archipel.kit.errors import Unavailable

# RFC 5424 6.2.1: facility 10 (security), severity 5 (notice); the message id of ITI-20.
PRIORITY = 10 * 8 + 5
MESSAGE_ID = "IHE+RFC-3881"
CONNECT_S = 10
STALL_S = 30


def syslog_frame(message: bytes, at: datetime, *, host: str, seq: int, digest: str) -> bytes:
    """The octet-counted frame. Its structured data holds the record's place in the chain, so that the receiver's copy vouches for it."""
    placed = f'[chain@0 seq="{seq}" digest="{digest}"]'
    head = f"<{PRIORITY}>1 {to_text(at)} {host or '-'} archipel {os.getpid()} {MESSAGE_ID} {placed} "
    whole = head.encode() + b"\xef\xbb\xbf" + message
    return b"%d %s" % (len(whole), whole)


def tls_context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """Whom we trust (the machine's authorities when none is named), and who we are."""
    context = ssl.create_default_context(cafile=ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        context.load_cert_chain(certificate, key or None)
    return context


def send_syslog(host: str, port: int, context: ssl.SSLContext, frames: bytes) -> None:
    """Hand frames over on a connection of their own. Unavailable unless the receiver has read to their end.

    Syslog has no answer. A receiver that has read everything closes after our closure alert, with its own (RFC 5425 4.4) or, as rsyslog
    does, without; one that leaves earlier closes earlier, and one that leaves something unread resets the connection.
    """
    try:
        with socket.create_connection((host, port), CONNECT_S) as plain, context.wrap_socket(plain, server_hostname=host) as line:
            line.settimeout(STALL_S)
            line.sendall(frames)
            _wait_until_taken(line)
            try:
                line.unwrap()
            except ssl.SSLEOFError:
                return
    except OSError as error:
        raise Unavailable("The syslog receiver does not answer.", code="syslog", detail=repr(error)) from error


def _wait_until_taken(line: ssl.SSLSocket) -> None:
    """Until the other machine has all bytes; OSError when its end is closed by then."""
    until = time.monotonic() + STALL_S
    while int.from_bytes(fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder):
        if time.monotonic() > until:
            raise TimeoutError("the receiver takes nothing")
        time.sleep(0.01)
    line.setblocking(False)
    try:
        if not line.recv(1):
            raise ConnectionResetError("closed before the end")
    except ssl.SSLWantReadError:
        return
    finally:
        line.settimeout(STALL_S)
