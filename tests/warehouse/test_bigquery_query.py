"""Questions that people ask a warehouse on BigQuery, and their cost."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from google.api_core import exceptions

from shared.errors import ConfigError, IngestError, StorageError, UnreachableError
from shared.warehouse.bigquery.adapter import BigqueryWarehouse
from shared.warehouse.bigquery.failures import is_passing, place_of, translate
from tests.contracts.warehouse import DEALS, EVERY_TYPE, row
from tests.google.bigquery_place import BigqueryPlace
from tests.warehouse.bigquery import opened

PLACE = place_of("my-project", "productive")


async def with_values(warehouse: BigqueryWarehouse) -> BigqueryWarehouse:
    await warehouse.ensure_table(EVERY_TYPE)
    values = {"amount": "7.50", "time": 1_000_000, "date": 1, "params": '{"a": [1]}', "tag_ids": ["x", "y"]}
    await warehouse.write(EVERY_TYPE, [row("1", 1, group="g", order=5, default=True, **values)])
    return warehouse


async def test_values_come_back_as_plain_python(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as opened_:
        warehouse = await with_values(opened_)
        columns = ("id", "default", "order", "amount", "time", "date", "params", "tag_ids", "group")
        names = ", ".join(warehouse.quote(name) for name in columns)
        found = await warehouse.query(f"SELECT {names} FROM filters")
    assert found.columns == list(columns)
    moment = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert found.rows == [
        ("1", True, 5, Decimal("7.5"), moment, date(1970, 1, 2), '{"a":[1]}', ["x", "y"], "g")
    ]
    assert not found.truncated


async def test_question_marks_stand_for_parameters(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as opened_:
        warehouse = await with_values(opened_)
        statement = "SELECT id FROM filters WHERE `order` = ? AND `group` = ?"
        assert (await warehouse.query(statement, [5, "g"])).rows == [("1",)]
        assert (await warehouse.query(statement, [5, "'; DROP TABLE filters; --"])).rows == []


async def test_no_more_rows_come_back_than_were_asked_for(bigquery_place: BigqueryPlace) -> None:
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(DEALS)
        await warehouse.write(DEALS, [row(str(number), 1) for number in range(5)])
        found = await warehouse.query("SELECT id FROM deals", max_rows=3)
        assert (len(found.rows), found.truncated) == (3, True)
        found = await warehouse.query("SELECT id FROM deals", max_rows=5)
        assert (len(found.rows), found.truncated) == (5, False)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT nothing FROM deals",
        "SELECT id FROM no_such_table",
        "SELEKT 1",
        "DELETE FROM deals WHERE TRUE",
        "INSERT INTO deals (id) VALUES ('1')",
        "DROP TABLE deals",
        "CREATE TABLE other AS SELECT 1 AS one",
        "SELECT 1; DROP TABLE deals",
    ],
)
async def test_a_query_that_cannot_be_run_or_would_write_is_refused_in_words(
    bigquery_place: BigqueryPlace, statement: str
) -> None:
    async with opened(bigquery_place) as warehouse:
        await warehouse.ensure_table(DEALS)
        await warehouse.write(DEALS, [row("1", 1)])
        with pytest.raises(ConfigError) as caught:
            await warehouse.query(statement)
        assert caught.value.advice
        assert (await warehouse.query("SELECT id FROM deals")).rows == [("1",)]


def refusal(kind: type[exceptions.GoogleAPICallError], reason: str, text: str = "no") -> IngestError:
    return translate(kind(text, errors=({"reason": reason, "message": text},)), PLACE)


def test_a_query_that_costs_too_much_says_which_setting_allows_it() -> None:
    text = "Query exceeded limit for bytes billed: 10485760. 20971520 or higher required."
    error = refusal(exceptions.BadRequest, "bytesBilledLimitExceeded", text)
    assert isinstance(error, StorageError)
    assert "20971520" in error.message
    assert "max_gigabytes_per_query" in error.advice


def test_a_rate_limit_is_no_missing_permission() -> None:
    assert isinstance(refusal(exceptions.Forbidden, "rateLimitExceeded"), UnreachableError)
    assert is_passing(exceptions.Forbidden("no", errors=({"reason": "rateLimitExceeded"},)))
    denied = refusal(
        exceptions.Forbidden, "accessDenied", "Permission bigquery.tables.create denied on dataset productive"
    )
    assert isinstance(denied, StorageError)
    assert "bigquery.tables.create" in denied.message
    assert "roles/bigquery.dataEditor" in denied.advice
