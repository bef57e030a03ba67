"""The reference of the API as one page that needs no script: written from the OpenAPI description."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI
from starlette.responses import HTMLResponse

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
code,pre{font:14px/1.45 ui-monospace,monospace}h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}details{margin:.4rem 0;padding:.3rem 0}
summary{cursor:pointer}summary b{display:inline-block;min-width:4.5rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #eaeef2}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}a{color:#79c0ff}h2,td,th{border-color:#30363d}}"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"


def add_reference(app: FastAPI) -> None:
    """Serve ``/api/docs``."""

    def page() -> HTMLResponse:
        return HTMLResponse(_page(app.openapi()), headers={"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"})

    app.add_api_route("/api/docs", page, methods=["GET"], include_in_schema=False)


def _page(description: dict[str, Any]) -> str:
    by_tag: dict[str, list[str]] = {}
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            by_tag.setdefault(tag, []).append(_operation(path, method, operation))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in by_tag.items())
    schemas = "".join(_schema(name, schema) for name, schema in sorted(description.get("components", {}).get("schemas", {}).items()))
    info = description["info"]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f'<p>Machine-readable: <a href="/api/openapi.json">openapi.json</a>. Send <code>Authorization: Bearer TOKEN</code>.</p>'
        f"{sections}<h2>Schemas</h2>{schemas}</body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(_input(one) for one in operation.get("parameters", []))
    body = "".join(
        f"<p>Body, {escape(media)}: {_type(content.get('schema', {}))}</p>"
        for media, content in operation.get("requestBody", {}).get("content", {}).items()
    )
    answers = "".join(_answer(status, answer) for status, answer in operation.get("responses", {}).items())
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation.get('summary', ''))}</summary>"
        f"<p>{escape(operation.get('description', ''))}</p><table>{rows}</table>{body}<table>{answers}</table></details>"
    )


def _input(one: dict[str, Any]) -> str:
    where = one["in"] + (", required" if one.get("required") else "")
    return (
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(where)}</td><td>{_type(one['schema'])}</td>"
        f"<td>{escape(one.get('description', ''))}</td></tr>"
    )


def _answer(status: str, answer: dict[str, Any]) -> str:
    types = ", ".join(f"{escape(media)} {_type(c.get('schema', {}))}" for media, c in answer.get("content", {}).items())
    return f"<tr><td><code>{escape(status)}</code></td><td>{escape(answer.get('description', ''))}</td><td>{types}</td></tr>"


def _schema(name: str, schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(key)}</code></td><td>{_type(value)}</td><td>{escape(value.get('description', ''))}</td></tr>"
        for key, value in schema.get("properties", {}).items()
    )
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p><table>{rows}</table>'


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    return escape(str(schema.get("format") or schema.get("type") or ""))
