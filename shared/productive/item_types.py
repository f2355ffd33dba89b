"""Which table an item belongs to that Productive names by its type: in webhooks and in the recycle bin.

`item_type` was seen in one delivery only ("task"), and is documented for the recycle bin by examples: it is
understood in singular and plural, in snake case and in camel case, and anything else is no type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from shared.catalog.model import Table

_OTHER_NAMES: Final = {"budget": "deals", "budgets": "deals", "person": "people"}
"""Names of items that no rule makes from a table's JSON:API type; values are table names."""

_SINGULARS: Final = (("ies", "y"), ("uses", "us"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("s", ""))
"""Endings of plurals and what the singular has in their place; the first that fits counts."""

_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|::|[\s-]+")


class ItemTypes:
    """The tables of a catalog by what their records are called."""

    def __init__(self, catalog: Mapping[str, Table]) -> None:
        self._by_item = {name: table.name for table in catalog.values() for name in _names(table)}
        self._by_item |= {name: table for name, table in _OTHER_NAMES.items() if table in catalog}

    def table_of(self, item_type: str) -> str | None:
        """The name of the table that items of this type are kept in; None when there is no such type."""
        return self._by_item.get(_CAMEL_HUMP.sub("_", item_type.strip()).lower())


def _names(table: Table) -> Iterator[str]:
    yield table.type
    for plural, singular in _SINGULARS:
        if table.type.endswith(plural):
            yield table.type.removesuffix(plural) + singular
            return
