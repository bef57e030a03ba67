"""Migrations expand: the version before runs on beside the new one. What contracts says so, and why it is safe by then."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.rules import PACKAGE

VERSIONS = PACKAGE / "migrations" / "versions"
ADDS = {"create_table", "create_index", "add_column", "f", "get_bind", "get_context", "batch_alter_table", "bulk_insert"}


def complaints(name: str, text: str) -> list[str]:
    """Operations of ``upgrade`` that the version before could not live with, unless the module says ``contract = "why"``."""
    tree = ast.parse(text)
    marked = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "contract" and isinstance(node.value, ast.Constant)
    ]
    if marked and len(str(marked[0])) > 20:
        return []
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    found = []
    for node in ast.walk(upgrade):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)):
            continue
        if node.func.value.id not in ("op", "batch"):
            continue
        if node.func.attr not in ADDS:
            found.append(f"{name}:{node.lineno}: {node.func.attr} does not only add; expand now, contract in a later version")
        elif node.func.attr == "add_column" and not _may_be_left_out(node):
            found.append(f"{name}:{node.lineno}: a new column needs nullable=True or a server_default: the version before leaves it out")
        elif node.func.attr == "create_index" and _is(node, "unique", True) and not _makes_table(upgrade, node):
            found.append(f"{name}:{node.lineno}: a unique index on a table that is there refuses what the version before writes")
    return found


def _may_be_left_out(call: ast.Call) -> bool:
    columns = [node for node in ast.walk(call) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Column")]
    return all(_is(one, "nullable", True) or any(keyword.arg == "server_default" for keyword in one.keywords) for one in columns)


def _is(call: ast.Call, name: str, value: object) -> bool:
    return any(k.arg == name and isinstance(k.value, ast.Constant) and k.value.value is value for k in call.keywords)


def _makes_table(upgrade: ast.FunctionDef, index: ast.Call) -> bool:
    table = ast.unparse(index.args[1])
    made = (node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and ast.unparse(node.func) == "op.create_table")
    return any(ast.unparse(one.args[0]) == table for one in made)


def test_migrations_only_add_or_say_that_they_contract() -> None:
    files = sorted(VERSIONS.glob("*.py"))
    assert len(files) >= 4
    assert [one for file in files for one in complaints(file.name, file.read_text())] == []


def test_numbers_follow_each_other() -> None:
    """One line of history: two migrations made at the same time on one predecessor are noticed here, not at a start."""
    numbers = [file.name[:4] for file in sorted(VERSIONS.glob("*.py"))]
    assert numbers == [f"{n:04d}" for n in range(1, len(numbers) + 1)]
    for file in sorted(VERSIONS.glob("*.py"))[1:]:
        before = f"{int(file.name[:4]) - 1:04d}"
        assert f'revision = "{file.name[:4]}"' in file.read_text() and f'down_revision = "{before}"' in file.read_text(), file.name


def test_a_migration_that_contracts_unmarked_is_found() -> None:
    def made(line: str, mark: str = "") -> list[str]:
        return complaints("x.py", f"{mark}\ndef upgrade():\n    {line}\n\ndef downgrade():\n    op.drop_table('t')\n")

    assert made("op.create_table('t')") == []
    assert made("op.add_column('t', sa.Column('c', sa.Text(), nullable=True))") == []
    assert made("op.add_column('t', sa.Column('c', sa.Text(), nullable=False, server_default=''))") == []
    for bad in (
        "op.drop_column('t', 'c')", "op.drop_table('t')", "op.rename_table('t', 'u')", "op.execute('DELETE FROM t')",
        "batch.alter_column('c', nullable=False)", "op.add_column('t', sa.Column('c', sa.Text(), nullable=False))",
        "op.create_index('i', 't', ['c'], unique=True)", "op.drop_index('i')", "op.create_unique_constraint('u', 't', ['c'])",
    ):  # fmt: skip
        assert len(made(bad)) == 1, bad
        assert made(bad, "contract = 'no version since 0.3 reads or writes it'") == []
        assert len(made(bad, "contract = 'ok'")) == 1, "a mark says why"
    assert Path(VERSIONS / "0001_first.py").exists()
