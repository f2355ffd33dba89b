"""Writers and crawlers that differ share tables: nothing is lost, and nothing private is written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.writer.private import PrivateColumns
from services.writer.schemas import Chosen, Schemas
from shared.catalog import Catalog, ColumnType, load_catalog
from shared.catalog.changes import SchemaChanges
from shared.catalog.model import Column
from shared.catalog.selection import SelectionRules, select
from shared.clock import ManualClock
from shared.errors import RecordError
from shared.record import Record, Source, Value, Version
from shared.warehouse.port import Row, TableSchema

CATALOG = load_catalog()
PSEUDONYM = "0123456789abcdef" * 4
NEW = Column("score", ColumnType.INT64, "attribute", "score")


def row(**data: Value) -> Row:
    return Row(Record("1", "upsert", Version(1, 1), {"id": "1", **data}), Source.BACKFILL, "run")


def schemas(rules: SelectionRules, catalog: Catalog = CATALOG, **more: object) -> Schemas:
    return Schemas(catalog, select(catalog, rules), rules, **more)  # type: ignore[arg-type]


async def fitted(
    known: Schemas, *rows: Row, table: str = "people"
) -> tuple[TableSchema, list[dict[str, Value]]]:
    schema, kept = await known.fitted(table, rows)
    names = {name for name, _ in schema.columns} | {"_unparsed"}
    assert all(names.issuperset(one.record.data) for one in kept)
    return schema, [dict(one.record.data) for one in kept]


async def test_a_newer_crawler_s_column_is_kept_in_unparsed() -> None:
    schema, [data] = await fitted(schemas(SelectionRules(only=("people",))), row(email="a", brand_new=7))
    assert "brand_new" not in dict(schema.columns)
    assert data["email"] == "a"
    assert json.loads(str(data["_unparsed"])) == {"brand_new": 7}


async def test_values_that_were_unparsed_before_stay_beside_those_that_no_column_takes() -> None:
    known = schemas(SelectionRules(only=("people",)))
    _, [data] = await fitted(known, row(brand_new=["x"], _unparsed='{"joined_at": 1.50}'))
    assert str(data["_unparsed"]) == '{"joined_at":1.50,"brand_new":["x"]}'


async def test_a_wider_crawler_s_column_widens_the_table_once_and_for_all() -> None:
    known = schemas(SelectionRules(only=("people",), dropped_columns=()))
    secret = next(c for t in CATALOG.values() for c in t.columns if c.secret and t.listable)
    table = next(t.name for t in CATALOG.values() if secret in t.columns)
    schema, _ = await fitted(known, row(**{secret.name: "x"}), table=table)
    assert secret.name in dict(schema.columns)
    assert (await fitted(known, row(), table=table))[0] == schema


async def test_a_narrower_crawler_s_row_is_the_whole_row_with_nulls() -> None:
    known = schemas(SelectionRules(only=("people",)))
    schema, [data] = await fitted(known, row(email="a"))
    assert data == {"id": "1", "email": "a"}
    assert len(schema.columns) == len(select(CATALOG, SelectionRules(only=("people",)))["people"].columns)


async def test_a_table_that_is_not_in_the_catalog_is_refused() -> None:
    with pytest.raises(RecordError, match="no table 'nonsense'"):
        await schemas(SelectionRules()).fitted("nonsense", [row()])


async def test_a_skipped_or_dropped_column_is_not_written_whoever_brings_it() -> None:
    rules = SelectionRules(
        only=("people",), skip_columns=("people.email",), dropped_columns=("people.first_name",)
    )
    brought = row(email="ada@x", first_name="Ada", title="CTO", _unparsed='{"email":["ada@x"],"role_id":{}}')
    schema, [data] = await fitted(schemas(rules), brought)
    assert data == {"id": "1", "title": "CTO", "_unparsed": '{"role_id":{}}'}
    assert not {"email", "first_name"} & dict(schema.columns).keys()


async def test_a_hashed_column_takes_pseudonyms_and_nothing_in_clear() -> None:
    rules = SelectionRules(only=("tasks",), hash_columns=("people.email", "people.joined_at"))
    brought = row(email="ada@x", joined_at=PSEUDONYM, _unparsed='{"email":{"x":"ada"}}')
    # The table is not selected here, but its rules hold.
    schema, [data] = await fitted(schemas(rules), brought)
    assert data == {"id": "1", "joined_at": PSEUDONYM}
    assert dict(schema.columns)["joined_at"] is ColumnType.STRING


@dataclass
class Town:
    """Where somebody adds a column while the writer runs."""

    changes: SchemaChanges = field(default_factory=SchemaChanges)
    asked: int = 0
    clock: ManualClock = field(default_factory=ManualClock)

    async def now(self) -> Chosen:
        self.asked += 1
        catalog = self.changes.extended(CATALOG)
        rules = self.changes.applied(SelectionRules(only=("people",)))
        return Chosen(catalog, select(catalog, rules), rules)


async def test_a_column_that_was_added_while_the_writer_runs_is_made_with_its_first_record() -> None:
    town = Town()
    known = schemas(SelectionRules(only=("people",)), clock=town.clock, reload=town.now)
    town.changes = SchemaChanges().with_added("people", NEW)
    schema, [data] = await fitted(known, row(score=7))
    assert dict(schema.columns)["score"] is ColumnType.INT64
    assert data == {"id": "1", "score": 7}


async def test_a_column_that_nobody_knows_is_asked_for_now_and_again_only() -> None:
    town = Town()
    known = schemas(SelectionRules(only=("people",)), clock=town.clock, reload=town.now)
    for _ in range(50):
        await fitted(known, row(brand_new=1))
    assert town.asked == 1
    town.clock.advance(60)
    town.changes = SchemaChanges().with_added(
        "people", Column("brand_new", ColumnType.JSON, "attribute", "x")
    )
    assert "brand_new" in dict((await fitted(known, row(brand_new="1")))[0].columns)
    assert town.asked == 2


values = st.none() | st.text(max_size=5) | st.integers() | st.just(PSEUDONYM)
names = st.sampled_from(["a", "b", "c", "d"])


@given(
    data=st.dictionaries(names, values),
    unparsed=st.none() | st.dictionaries(names, st.integers()),
    unwanted=st.frozensets(names),
    hashed=st.frozensets(names),
)
def test_of_private_columns_nothing_in_clear_is_kept_and_of_others_everything(
    data: dict[str, Value], unparsed: dict[str, int] | None, unwanted: frozenset[str], hashed: frozenset[str]
) -> None:
    hashed -= unwanted
    brought = dict(data) if unparsed is None else {**data, "_unparsed": json.dumps(unparsed)}
    kept = PrivateColumns(unwanted, hashed).kept(Record("1", "upsert", Version(1, 1), brought)).data
    for name, value in data.items():
        if name in unwanted or (name in hashed and value != PSEUDONYM):
            assert kept.get(name) is None
        else:
            assert kept[name] == value
    left = {name: one for name, one in (unparsed or {}).items() if name not in unwanted | hashed}
    assert json.loads(str(kept.get("_unparsed") or "{}")) == left
