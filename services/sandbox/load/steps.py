"""The kinds of changes by name, and how often each of them happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from services.sandbox.load import hours, money, sales, work
from services.sandbox.load.agency import Agency, LoadEvent

Action = Callable[[Agency], LoadEvent | None]

# Estimates of an agency's day, among a hundred changes or so: mostly time, then tasks, then the rest.
_SHARES: tuple[tuple[Action, float], ...] = (
    (hours.log_time, 30),
    (hours.edit_time, 12),
    (hours.approve_time, 6),
    (hours.delete_time, 4),
    (hours.book, 4),
    (hours.move_booking, 3),
    (hours.delete_booking, 1.5),
    (work.create_task, 6),
    (work.rename_task, 3),
    (work.move_task, 8),
    (work.close_task, 7),
    (work.assign_task, 4),
    (work.delete_task, 1),
    (work.create_project, 0.3),
    (work.rename_project, 0.4),
    (work.delete_project, 0.1),
    (sales.create_deal, 1),
    (sales.move_deal, 3),
    (sales.value_deal, 2),
    (sales.delete_deal, 0.3),
    (sales.create_budget, 0.4),
    (sales.change_budget, 1.5),
    (sales.delete_budget, 0.1),
    (sales.add_company, 0.3),
    (sales.change_company, 0.8),
    (sales.archive_company, 0.1),
    (sales.add_contact, 0.4),
    (sales.change_person, 0.8),
    (sales.archive_person, 0.1),
    (money.draft_invoice, 1.2),
    (money.send_invoice, 1),
    (money.note_invoice, 0.5),
    (money.delete_invoice, 0.3),
    (money.receive_payment, 1),
    (money.correct_payment, 0.3),
    (money.delete_payment, 0.2),
    (money.spend, 2),
    (money.approve_expense, 1.5),
    (money.delete_expense, 0.5),
)

STEPS: Mapping[str, Action] = MappingProxyType({action.__name__: action for action, _ in _SHARES})
WEIGHTS: Mapping[str, float] = MappingProxyType({action.__name__: share for action, share in _SHARES})
