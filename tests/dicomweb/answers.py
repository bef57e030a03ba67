"""Reading multipart answers without our own reader: by the e-mail package of Python."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Answered:
    """One part of an answer."""

    media: str
    transfer_syntax_uid: str
    location: str
    content: bytes


def parts(answer: httpx.Response) -> list[Answered]:
    """The parts of a multipart/related answer, or the answer itself as the only one."""
    if not answer.headers["content-type"].startswith("multipart/related"):
        message = email.message.Message()
        message["Content-Type"] = answer.headers["content-type"]
        return [Answered(message.get_content_type(), str(message.get_param("transfer-syntax") or ""), "", answer.content)]
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    whole = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head)
    boundary = b"--" + str(whole.get_boundary()).encode()
    found = []
    pieces = answer.content.split(boundary)
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    for piece in pieces[1:-1]:
        headers, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        message = email.parser.BytesHeaderParser(policy=email.policy.HTTP).parsebytes(headers)
        content = content.removesuffix(b"\r\n")
        if message["Content-Length"]:
            assert int(message["Content-Length"]) == len(content)
        syntax = message.get_param("transfer-syntax", header="content-type") or ""
        found.append(Answered(message.get_content_type(), str(syntax), message["Content-Location"] or "", content))
    return found
