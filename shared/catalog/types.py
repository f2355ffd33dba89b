"""Which warehouse type an attribute gets: from its described type, corrected by what its name says.

Productive's description gives no type for about a third of the attributes, calls money an integer where
recorded answers have decimals, and calls lists and objects strings. `FAMILIES` is the one table that
mends this, by name. Where no family applies, the described type decides; an undescribed attribute
without a family becomes JSON, which holds whatever comes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from shared.catalog.model import ColumnType

Described = Literal[
    "string", "integer", "number", "boolean", "timestamp", "date", "object", "array", "unknown"
]
"""The types that facts.toml knows; `unknown` where Productive's description gives none."""

DESCRIBED: Final[Mapping[Described, ColumnType]] = MappingProxyType(
    {
        "string": ColumnType.STRING,
        "integer": ColumnType.INT64,
        "number": ColumnType.NUMERIC,
        "boolean": ColumnType.BOOL,
        "timestamp": ColumnType.TIMESTAMP,
        "date": ColumnType.DATE,
        "object": ColumnType.JSON,
        "array": ColumnType.JSON,
        "unknown": ColumnType.JSON,
    }
)

DUCKDB_TYPES: Final[Mapping[ColumnType, str]] = MappingProxyType(
    {
        ColumnType.STRING: "VARCHAR",
        ColumnType.INT64: "BIGINT",
        ColumnType.BOOL: "BOOLEAN",
        ColumnType.TIMESTAMP: "TIMESTAMPTZ",
        ColumnType.DATE: "DATE",
        ColumnType.NUMERIC: "DECIMAL(38,9)",
        ColumnType.JSON: "JSON",
        ColumnType.STRING_ARRAY: "VARCHAR[]",
    }
)
"""DECIMAL(38,9) has the range and the scale of BigQuery's NUMERIC."""

_UNDESCRIBED: Final = frozenset[Described]({"unknown"})
_LOOSE: Final = frozenset[Described]({"unknown", "string"})
_SCALAR: Final = frozenset[Described]({"unknown", "string", "integer", "number"})


class Family(NamedTuple):
    """Attributes whose name tells their type.

    `pattern` must match the whole name, or `table.name` where it contains an escaped dot. `over` are the
    described types that the family corrects; any other described type stands.
    """

    pattern: str
    type: ColumnType
    over: frozenset[Described]
    reason: str


_TWINS = "(_default|_normalized)?"

FAMILIES: Final[tuple[Family, ...]] = (
    Family(
        r"id|.*_id",
        ColumnType.STRING,
        _SCALAR,
        "Ids are text everywhere, also those that travel as JSON numbers, so that every join fits.",
    ),
    Family(
        r".*_ids",
        ColumnType.JSON,
        _SCALAR | {"array", "object"},
        "Lists of ids in attributes come as arrays of numbers, as objects or as text; JSON holds each.",
    ),
    Family(
        r"pages\.body|page_versions\.body_snapshot",
        ColumnType.JSON,
        _LOOSE,
        "Documented as a JSON document, not as text.",
    ),
    Family(
        r"tag_list|tag_colors|rates|.*_meta|.*_recipients|.*_progress|.*_config|formulas|columns|params"
        r"|(.*_)?(custom_fields|settings|preferences|options)",
        ColumnType.JSON,
        _LOOSE,
        "Recorded as lists and objects, or named like one, though often described as strings.",
    ),
    Family(
        r".*_mapping|(.*_)?(import|export)_.*|.*_fields?|(.*_at|date)_period",
        ColumnType.JSON,
        _UNDESCRIBED,
        "Settings of integrations and groupings of reports that can be flags, texts or objects.",
    ),
    Family(
        rf"(.*_)?(amount|cost|costs|price|profit|revenue|expense|balance|subtotal){_TWINS}",
        ColumnType.NUMERIC,
        _SCALAR,
        "Money, in minor units; recorded with decimals, as a number or as text.",
    ),
    Family(
        rf"(.*_)?amount_(credited|paid|tax|unpaid|with_tax|written_off|credited_with_tax){_TWINS}",
        ColumnType.NUMERIC,
        _SCALAR,
        "Money: an amount, by what became of it.",
    ),
    Family(
        rf"(.*_)?costs?_(per_hour|with_tax){_TWINS}|(future_)?budget_(total|used){_TWINS}"
        rf"|deal_value(_total|_per_period)?{_TWINS}|((draft|manually)_)?invoiced{_TWINS}"
        rf"|pending_invoicing{_TWINS}|total(_received)?{_TWINS}|tax",
        ColumnType.NUMERIC,
        _SCALAR,
        "Money: budgets, the value of deals, what is invoiced, costs by another name.",
    ),
    Family(
        rf"(.*_)?(?<!tax_)(rate|rate_cents|margin|markup|discount|multiplier){_TWINS}",
        ColumnType.NUMERIC,
        _SCALAR,
        "Rates and shares have decimals and often come as text. What `tax_rate` holds is not described.",
    ),
    Family(
        r"(.*_)?(quantity|quantity_received|hours|percentage|percent|probability)|budget_warning"
        r"|(tax\d?|.*_component)_value|time_to_close",
        ColumnType.NUMERIC,
        _SCALAR,
        "Quantities, hours and shares can have decimals, also where an integer is described.",
    ),
    Family(
        r"(?!version_)(.*_)?number",
        ColumnType.STRING,
        _SCALAR,
        "The numbers of things are names: they come as text, with slashes and leading zeros.",
    ),
    Family(
        r".*_count|weight|size|seats_pending",
        ColumnType.INT64,
        _UNDESCRIBED,
        "Counts and sizes.",
    ),
    Family(
        r"projects\.template",
        ColumnType.BOOL,
        _LOOSE,
        "Recorded as a flag.",
    ),
    Family(
        r"approved|rejected|exported|public|default|draft|signed|domain_verified|trial_plan_active"
        r"|use_.*|.*_enable_.*",
        ColumnType.BOOL,
        _UNDESCRIBED,
        "Flags; elsewhere described as booleans under the same name.",
    ),
    Family(
        r".*_at",
        ColumnType.TIMESTAMP,
        _LOOSE,
        "Points in time.",
    ),
    Family(
        r".*_on",
        ColumnType.DATE,
        _LOOSE,
        "Days.",
    ),
    Family(
        r"(.*_)?(note|footer|body|subject|name|url|uri|description|reason|summary|html|title)"
        r"|.*_interpolated|.*_snapshot|(.*_)?(country|token|secret|hash|uid)|jira_.*",
        ColumnType.STRING,
        _UNDESCRIBED,
        "Texts, names, addresses on the web and tokens.",
    ),
    Family(
        r"integrations\..*",
        ColumnType.JSON,
        _UNDESCRIBED,
        "Settings of connections to other products; each has a shape of its own.",
    ),
    Family(
        r"access_to_deal|addons|agent_avatar|aws_policy|billing_group_member|changeset|connection_status"
        r"|current_products|financial_months|limited_service_types|mailgun_mx|metrics|participants"
        r"|(trial_)?plan_(cycle|type)|resolved_permissions|thumb",
        ColumnType.JSON,
        _UNDESCRIBED,
        "Nothing is known of their shape.",
    ),
)
"""The first family that matches decides."""

_COMPILED = tuple((re.compile(family.pattern), family) for family in FAMILIES)


class Typed(NamedTuple):
    """A column type; `family` is the rule that gave it, None when the described type did."""

    type: ColumnType
    family: Family | None


def attribute_type(table: str, attribute: str, described: Described) -> Typed:
    """The column type of an attribute, and the rule behind it."""
    for pattern, family in _COMPILED:
        name = f"{table}.{attribute}" if r"\." in family.pattern else attribute
        if described in family.over and pattern.fullmatch(name):
            return Typed(family.type, family)
    return Typed(DESCRIBED[described], None)
