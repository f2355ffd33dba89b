"""Renders docs/tables.md from the catalog."""

from __future__ import annotations

from collections.abc import Mapping

from shared.catalog.model import Table


def render_page(tables: tuple[Table, ...], about: Mapping[str, str]) -> str:
    """The page as Markdown."""
    return "# Tables\n\n" + "\n".join(f"- `{table.name}`: {about[table.name]}" for table in tables) + "\n"
