"""The facts about Productive that the services lean on, spelled out."""

from __future__ import annotations

import pytest

from shared.catalog import load_catalog

CATALOG = load_catalog()

CORE_NAMES = """
activities approval_policies attachments boards booking_reports bookings comments companies contact_entries
custom_field_options custom_fields dashboards deal_statuses deals document_types entitlements events
exchange_rates expenses filters holiday_calendars holidays invoice_attributions invoices line_items
lost_reasons memberships organization_memberships organizations page_versions pages payment_reminder_sequences
payment_reminders payments pipelines prices project_assignments projects rate_cards salaries sections
service_types services sessions subsidiaries tags task_lists tasks tax_rates time_entries time_entry_versions
timers timesheet_reports users widgets workflow_statuses workflows
"""
CORE = frozenset(CORE_NAMES.split())


def test_there_are_108_tables_in_alphabetical_order() -> None:
    assert len(CATALOG) == 108
    assert list(CATALOG) == sorted(CATALOG)


def test_who_chooses_nothing_gets_the_57_core_tables_and_people() -> None:
    assert len(CORE) == 57
    assert {table.name for table in CATALOG.default_tables()} == {*CORE, "people"}


def test_only_invitations_and_subscriptions_have_no_list() -> None:
    assert {table.name for table in CATALOG.values() if not table.listable} == {
        "invitations",
        "organization_subscriptions",
    }


def test_change_filters_are_those_that_find_changes() -> None:
    assert {table.name: table.change_filter for table in CATALOG.values() if table.change_filter} == {
        "bookings": "updated_at",
        "companies": "last_activity_at",
        "deals": "last_activity_at",
        "expenses": "updated_at",
        "invoices": "last_activity_at",
        "pages": "last_activity_at",
        "people": "last_activity_at",
        "proposals": "updated_at",
        "services": "updated_at",
        "task_dependencies": "updated_at",
        "tasks": "updated_at",
        "time_entries": "updated_at",
    }


@pytest.mark.parametrize("name", ["services", "task_dependencies", "proposals"])
def test_some_tables_can_be_filtered_by_a_change_time_that_they_do_not_return(name: str) -> None:
    assert CATALOG[name].change_filter == "updated_at"
    assert CATALOG[name].change_column is None


def test_the_33_webhook_events_lead_to_their_tables() -> None:
    told = {table.name: dict(table.events) for table in CATALOG.values() if table.events}
    assert told == {
        "bookings": {"create": (17,), "update": (18,), "delete": (19,)},
        "companies": {"create": (29,), "update": (30,), "archive": (31,)},
        "deals": {"create": (3, 4), "update": (12, 16), "delete": (13, 20)},
        "expenses": {"create": (21,), "update": (22,), "delete": (23,)},
        "invoices": {"create": (2,), "update": (14,), "delete": (15,)},
        "payments": {"create": (32,), "update": (33,), "delete": (34,)},
        "people": {"create": (26,), "update": (27,), "archive": (28,)},
        "projects": {"create": (5,), "update": (10,), "delete": (11,)},
        "tasks": {"create": (1,), "update": (24,), "delete": (25,)},
        "time_entries": {"create": (7,), "update": (8,), "delete": (9,)},
    }
    assert sum(len(ids) for events in told.values() for ids in events.values()) == 33


def test_credentials_are_marked() -> None:
    marked = {
        (table.name, column.name) for table in CATALOG.values() for column in table.columns if column.secret
    }
    assert marked == {
        ("attachments", "aws_policy"),
        ("deals", "email_key"),
        ("integrations", "request_token"),
        ("invoices", "email_key"),
        ("organizations", "email_key"),
        ("organizations", "invitation_token"),
        ("organizations", "scim_bearer_token"),
        ("purchase_orders", "email_key"),
        ("sessions", "token"),
        ("task_lists", "email_key"),
        ("tasks", "email_key"),
        ("users", "ical_token"),
        ("users", "intercom_hash"),
        ("webhooks", "custom_headers"),
        ("webhooks", "secret"),
        ("webhooks", "signature_token"),
    }


def test_whatever_is_named_like_a_credential_is_marked_as_one() -> None:
    suspects = ("token", "secret", "password", "email_key", "api_key")
    for table in CATALOG.values():
        for column in table.columns:
            if column.kind == "attribute" and column.field.endswith(suspects):
                assert column.secret, f"{table.name}.{column.name}"


def test_drafts_are_asked_for_where_they_would_be_left_out() -> None:
    assert {table.name: table.params for table in CATALOG.values() if table.params} == {
        "bookings": {"filter[with_draft]": "true"},
        "expenses": {"filter[with_draft]": "true"},
    }


def test_boards_fall_back_to_folders_and_nothing_else_falls_back() -> None:
    assert {table.name: table.fallback_path for table in CATALOG.values() if table.fallback_path} == {
        "boards": "folders"
    }


def test_salaries_have_a_limit_of_their_own() -> None:
    assert [table.name for table in CATALOG.values() if table.limit == "salaries"] == ["salaries"]


def test_the_organization_is_asked_for_only_where_it_is_not_sent_unasked() -> None:
    asking = [
        table.name
        for table in CATALOG.values()
        if any(include.name == "organization" for include in table.includes)
    ]
    assert asking == ["organization_memberships"]


@pytest.mark.parametrize(
    ("table", "sort"),
    [("tasks", "id"), ("expenses", "id"), ("deals", "created_at"), ("people", None), ("activities", None)],
)
def test_page_number_walks_sort_by_id_else_by_creation_time(table: str, sort: str | None) -> None:
    assert CATALOG[table].stable_sort == sort


@pytest.mark.parametrize(
    ("table", "column", "target"),
    [
        ("time_entries", "person_id", "people"),
        ("time_entries", "service_id", "services"),
        ("services", "deal_id", "deals"),
        ("deals", "company_id", "companies"),
        ("invoice_attributions", "budget_id", "deals"),
        ("invoices", "bill_to_id", "contact_entries"),
        ("activities", "task_id", "tasks"),
        ("companies", "parent_company_id_attribute", "companies"),
        ("tasks", "attachments_ids", "attachments"),
        ("memberships", "agent_id", None),
        ("bookings", "origin_id", None),
    ],
)
def test_columns_say_what_they_join_to(table: str, column: str, target: str | None) -> None:
    found = {candidate.name: candidate for candidate in CATALOG[table].columns}
    assert found[column].references == target
