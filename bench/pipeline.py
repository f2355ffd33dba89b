"""Crawl, normalize, publish, take, write: how much more than the floor that nobody can go below.

The floor parses the same bodies with orjson and inserts the same typed rows, ready as Arrow tables, into
a new DuckDB file in one transaction per table. The pipeline does all that `backfill` does with the
embedded stores, except that the bodies come from a tape: client, walks, normalization, codec, bus,
checkpoints, writer, and the upsert by version.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import duckdb
import orjson

from bench.report import Figure, Options
from bench.sandbox_process import running_sandbox
from bench.stores import crawl_and_write, new_client, new_world
from bench.tape import Tape
from shared.productive import Connection
from shared.warehouse import DuckdbSettings, TableSchema, open_duckdb
from shared.warehouse.duckdb import sql

GOAL = 3.0
_BULK = {"time_entries": 20_000, "tasks": 6_000, "deals": 4_000}
_MANY = {"time_entries": 100_000, "tasks": 30_000, "deals": 20_000}
_ROUNDS = 7


@dataclass(frozen=True)
class Took:
    """Seconds on the wall, and of the processors."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Material:
    """What both sides work on: answers, and the rows that they become."""

    connection: Connection
    tape: Tape
    schemas: Mapping[str, TableSchema]
    rows: Mapping[str, Any]

    @property
    def records(self) -> int:
        return sum(table.num_rows for table in self.rows.values())


async def measure(options: Options) -> list[Figure]:
    """The ratio of the pipeline, and over real HTTP for information."""
    async with running_sandbox(bulk=_MANY if options.full else _BULK) as connection:
        material = await record(connection, options.folder)
        rounds = [
            (floor(material, options.folder), await pipeline(material, options.folder))
            for _ in range(_ROUNDS)
        ]
        over_http = [await pipeline(material, options.folder, over_http=True) for _ in range(3)]
    floors, pipelines = zip(*rounds, strict=True)
    return [
        Figure(
            "pipeline",
            "recorded pages → DuckDB ÷ orjson parse + Arrow bulk insert",
            _ratio([(ours.wall, least.wall) for least, ours in rounds]),
            "ratio",
            at_most=GOAL,
            detail={
                "records": material.records,
                "floor s": _middle(floors).wall,
                "pipeline s": _middle(pipelines).wall,
                "records/s": material.records / _middle(pipelines).wall,
                "processor time ratio": _ratio([(ours.cpu, least.cpu) for least, ours in rounds]),
            },
        ),
        Figure(
            "pipeline",
            "the same over HTTP, the server on the other core",
            material.records / _middle(over_http).wall,
            "records/s",
            detail={"s": _middle(over_http).wall, "÷ floor": _middle(over_http).wall / _middle(floors).wall},
        ),
    ]


async def record(connection: Connection, folder: Path) -> Material:
    """Crawl once over HTTP, keeping the bodies and the rows."""
    tables = list(_BULK)
    async with aiohttp.ClientSession() as session:
        tape = Tape(session)
        async with (
            new_world(folder, connection, tables) as world,
            new_client(connection, session=tape.session) as client,
        ):
            written = await crawl_and_write(world, client)
            schemas = {name: TableSchema(name, chosen.typed_columns) for name, chosen in world.tables.items()}
            rows = await _stored(world.settings.warehouse_url, tables)
    tape.source = None
    if sum(table.num_rows for table in rows.values()) != written.records:
        raise RuntimeError("the recorded rows are not those that were crawled")
    return Material(connection, tape, schemas, rows)


async def _stored(url: str, tables: Sequence[str]) -> dict[str, Any]:
    warehouse = await open_duckdb(url, read_only=True)
    await warehouse.close()
    with closing(duckdb.connect(str(warehouse.path), read_only=True)) as connection:
        return {table: connection.table(table).to_arrow_table() for table in tables}


def floor(material: Material, folder: Path) -> Took:
    """Parse the bodies, insert the rows."""
    path = folder / "floor.duckdb"
    settings = DuckdbSettings()
    config: dict[str, Any] = {"threads": settings.threads, "memory_limit": settings.memory_limit}
    with closing(duckdb.connect(str(path), config=config)) as connection:
        for schema in material.schemas.values():
            connection.execute(sql.create_table(schema))
        started, cpu = time.perf_counter(), time.process_time()
        for body in material.tape.bodies:
            orjson.loads(body)
        for name, rows in material.rows.items():
            connection.register("rows", rows)
            connection.execute(f"INSERT INTO {sql.quote(name)} SELECT * FROM rows")
        took = Took(time.perf_counter() - started, time.process_time() - cpu)
    path.unlink()
    return took


async def pipeline(material: Material, folder: Path, *, over_http: bool = False) -> Took:
    """Crawl and write, until the last row is committed."""
    session = None if over_http else material.tape.session
    async with (
        new_world(folder, material.connection, list(material.schemas)) as world,
        new_client(material.connection, session=session) as client,
    ):
        started, cpu = time.perf_counter(), time.process_time()
        written = await crawl_and_write(world, client)
        took = Took(time.perf_counter() - started, time.process_time() - cpu)
    if written.records != material.records:
        raise RuntimeError(f"{written.records:,} records instead of {material.records:,}")
    return took


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return statistics.median(ours / least for ours, least in pairs)


def _middle(taken: Sequence[Took]) -> Took:
    return sorted(taken, key=lambda took: took.wall)[len(taken) // 2]
