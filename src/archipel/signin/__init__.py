"""Signin: who is behind an HTTP request: a browser with a session, or a script with a bearer token.

Standards: RFC 6750 (bearer tokens), RFC 6265 (cookies)
Owns:      signin_session, signin_token, signin_attempt
Offers:    SignInMiddleware, sign_in, sign_out, issue_token
Emits:     nothing
Follows:   nothing
"""

from archipel.signin.middleware import SESSION_COOKIE, SignInMiddleware, actor_of
from archipel.signin.sessions import (
    Session,
    actor_for,
    actor_of_session,
    actor_of_token,
    change_password,
    issue_token,
    sign_in,
    sign_out,
    sign_out_everywhere,
    sign_out_others,
)

__all__ = [
    "SESSION_COOKIE", "Session", "SignInMiddleware", "actor_for", "actor_of", "actor_of_session", "actor_of_token", "change_password",
    "issue_token", "sign_in", "sign_out", "sign_out_everywhere", "sign_out_others",
]  # fmt: skip
