"""Signin: who is behind an HTTP request: a browser with a session, or a script with a bearer token.

Standards: RFC 6750 (bearer tokens), RFC 6265 (cookies), RFC 6238 (one-time codes), WebAuthn 3, OpenID Connect Core, Discovery, Back-Channel
           Logout, RFC 7636 (PKCE), RFC 9207 (issuer in the answer)
Owns:      signin_session, signin_token, signin_attempt, signin_factor, signin_recovery, signin_step, signin_identity
Offers:    SignInMiddleware, sign_in, sign_out, issue_token, factors, passkeys, second, oidc, steps
Emits:     nothing
Follows:   nothing
"""

from archipel.signin import factors, oidc, passkeys, second, steps
from archipel.signin.middleware import SESSION_COOKIE, SignInMiddleware, actor_of, open_paths
from archipel.signin.sessions import (
    SecondStep,
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
    "SESSION_COOKIE", "SecondStep", "Session", "SignInMiddleware", "actor_for", "actor_of", "actor_of_session", "actor_of_token",
    "change_password", "factors", "issue_token", "oidc", "open_paths", "passkeys", "second", "sign_in", "sign_out",
    "sign_out_everywhere", "sign_out_others", "steps",
]  # fmt: skip
