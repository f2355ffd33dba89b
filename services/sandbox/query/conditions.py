"""A filter tree, checked against what the endpoint supports and made into a test for rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from services.sandbox import problems
from services.sandbox.query import compare, special
from services.sandbox.query.rules import rules_of
from services.sandbox.schema import Resource
from services.sandbox.storage import Row

Test = Callable[[Row], bool]


@dataclass(frozen=True)
class Condition:
    """One comparison. `field` is the attribute it reads, or None when it reads something else."""

    field: str | None
    op: str
    test: Test


@dataclass(frozen=True)
class Group:
    """Conditions and groups that must all hold, or of which one must."""

    op: Literal["and", "or"]
    members: tuple[Condition | Group, ...]

    @property
    def test(self) -> Test:
        """The group as one test."""
        tests = [member.test for member in self.members]
        if self.op == "or" and tests:
            return lambda row: any(test(row) for test in tests)
        return lambda row: all(test(row) for test in tests)


@dataclass(frozen=True)
class Compiler:
    """Reads filter trees for one request: `cast` cuts datetimes to dates, `status` is that of refusals."""

    resource: Resource
    cast: bool
    status: int

    def compile(self, filters: dict[str, Any]) -> Group:
        """The whole filter of a list, with the drafts left out where the endpoint does that."""
        group = self._group(filters)
        if special.drafts_hidden(self.resource.name, filters):
            hidden = Condition(None, "eq", lambda row: not row.attributes.get("draft"))
            group = Group("and", (group, hidden))
        return group

    def _group(self, node: dict[str, Any]) -> Group:
        op = str(node.get("$op", "and")).lower()
        if op not in ("and", "or"):
            raise problems.unsupported_filter("$op", self.status)
        members: list[Condition | Group] = []
        for name, value in node.items():
            if name == "$op":
                continue
            if name.isdigit() and isinstance(value, dict):
                members.append(self._group(value))
            else:
                members.append(self._condition(name, value))
        return Group("or" if op == "or" else "and", tuple(members))

    def _condition(self, name: str, value: Any) -> Condition:
        rule = rules_of(self.resource.name).get(name)
        operators = value if isinstance(value, dict) else {"eq": value}
        if rule is None or not operators:
            raise problems.unsupported_filter(name, self.status)
        if len(operators) > 1:
            raise problems.ambiguous_filter(name, self.status)
        op, text = next(iter(operators.items()))
        fixed = {"since": "gt_eq", "until": "lt_eq"}.get(rule.meaning)
        known = {"attribute": compare.OPERATORS, "relation": {"eq", "not_eq"}}.get(rule.meaning, {"eq"})
        if op not in known or not isinstance(text, str):
            raise problems.unsupported_filter(f"{name}[{op}]", self.status)
        values = [part.strip() for part in text.split(",")]
        try:
            if rule.meaning == "special":
                return Condition(None, op, special.special(self.resource.name, name, values))
            if rule.meaning == "relation":
                return Condition(None, op, compare.related(rule, op, values))
            kind = self.resource.attributes.get(rule.subject)
            test = compare.compared(rule.subject, kind, fixed or op, values, cast=self.cast)
            return Condition(rule.subject, fixed or op, test)
        except ValueError:
            raise problems.invalid_filter_value(name, text, self.status) from None
