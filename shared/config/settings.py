"""Every setting there is, declared once: its key in the file, its environment variable, its meaning.

`docs/configuration.md` lists them all; a test fails when one is missing there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from shared.catalog.selection import SelectionRules
from shared.urls import url_of

Kind = Literal["text", "integer", "number", "names"]
Raw = str | int | float | list[str]


@dataclass(frozen=True)
class Setting:
    """One setting. `least` and `most` bound a number; `names` is a list of strings."""

    key: str
    kind: Kind
    about: str
    env: str | None = None
    default: Raw | None = None
    least: float = 0
    most: float = float("inf")


SETTINGS: Final = (
    Setting(
        "productive.organization_id",
        "text",
        "The organization's id: in Productive's web address, the number before the first dash.",
        env="PRODUCTIVE_ORGANIZATION_ID",
    ),
    Setting(
        "productive.api_url",
        "text",
        "Where the API is.",
        env="PRODUCTIVE_API_URL",
        default="https://api.productive.io/api/v2",
    ),
    Setting(
        "productive.concurrency",
        "integer",
        "How many requests may be under way at once.",
        default=8,
        least=1,
        most=64,
    ),
    Setting(
        "productive.reserve",
        "number",
        "The share of Productive's rate limits that a crawl leaves to others; default: 0.2 in `run`, for "
        "webhooks' re-reads, else 0.",
        most=0.9,
    ),
    Setting(
        "productive.limit_scale",
        "number",
        "How many times faster than the real API the server's rate limit windows are (for sandboxes).",
        env="PRODUCTIVE_LIMIT_SCALE",
        default=1.0,
        least=1,
        most=10_000,
    ),
    Setting(
        "storage.data_dir",
        "text",
        "The folder of the embedded bus, warehouse and objects.",
        env="PRODUCTIVE_DATA_DIR",
        default="./productive-data",
    ),
    Setting("storage.bus_url", "text", "The bus; default: bus.sqlite in the data folder.", env="BUS_URL"),
    Setting(
        "storage.intake_url",
        "text",
        "The bus of webhooks' deliveries; default: intake.sqlite in the data folder.",
        env="INTAKE_URL",
    ),
    Setting(
        "storage.warehouse_url",
        "text",
        "The warehouse; default: productive.duckdb in the data folder.",
        env="WAREHOUSE_URL",
    ),
    Setting(
        "storage.objects_url",
        "text",
        "Checkpoints, claims and state; default: the folder objects in the data folder.",
        env="OBJECTS_URL",
    ),
    Setting(
        "storage.secrets_url",
        "text",
        "Where the token is unless PRODUCTIVE_API_TOKEN is set; default: secrets.json in the data folder.",
        env="SECRETS_URL",
    ),
    Setting(
        "crawl.full_every_hours",
        "number",
        "How often a table is read as a whole although its changes can be asked for.",
        default=168.0,
        least=1,
        most=8_784,
    ),
    Setting(
        "crawl.overlap_seconds",
        "number",
        "How far back before the last crawl changes are asked for, because change times lag behind changes.",
        default=120.0,
        # Productive compares whole seconds, and its clock is known to about one.
        least=5,
        most=86_400,
    ),
    Setting(
        "deletions.share",
        "number",
        "The share of a table that may be deleted at once, because it is gone, without being confirmed.",
        default=0.2,
        most=1,
    ),
    Setting(
        "deletions.rows",
        "integer",
        "How many rows of a table may be deleted at once in any case.",
        default=50,
        most=1_000_000,
    ),
    Setting(
        "deletions.reads",
        "integer",
        "How many records of a table that no list shows are read one by one to see whether they are gone.",
        default=500,
        most=100_000,
    ),
    Setting(
        "storage.duckdb_memory",
        "text",
        "How much memory the embedded warehouse may use; what does not fit is spilled to disk.",
        env="DUCKDB_MEMORY",
        default="112MiB",
    ),
    Setting(
        "bigquery.location",
        "text",
        "Where a BigQuery dataset is made that is not there yet (EU, US, europe-west3 …).",
        env="BIGQUERY_LOCATION",
    ),
    Setting(
        "bigquery.live_staleness_minutes",
        "integer",
        "How late BigQuery may show changes of tables that webhooks feed; 0 shows them at once.",
        default=0,
        # What is older than a day and a half is compared before it is written; see docs/bigquery.md.
        most=720,
    ),
    Setting(
        "bigquery.staleness_minutes",
        "integer",
        "How late BigQuery may show changes of all other tables.",
        default=30,
        most=720,
    ),
    Setting(
        "bigquery.max_gigabytes_per_query",
        "number",
        "How much one query may read on BigQuery; one that would read more is refused and costs nothing.",
        default=100.0,
        least=0.01,
        most=1_000_000,
    ),
    Setting("tables.only", "names", "Sync these tables and no others."),
    Setting("tables.add", "names", "Sync these tables beside the default ones."),
    Setting("tables.skip", "names", "Do not sync these tables."),
    Setting("tables.history", "names", 'Keep every version of the records of these tables; "*" for all.'),
    Setting(
        "columns.add",
        "names",
        "Columns that are left out unless named, as table.column: those that hold credentials.",
    ),
    Setting("columns.skip", "names", "Columns to leave out, as table.column."),
    Setting(
        "columns.hash",
        "names",
        "Columns, as table.column, that get pseudonyms in place of their values.",
    ),
    Setting(
        "writer.batch_rows",
        "integer",
        "How many rows are written at once at the most.",
        default=2_500,
        least=1,
        most=100_000,
    ),
    Setting(
        "writer.batch_megabytes",
        "integer",
        "How much uncompressed data is written at once at the most.",
        default=4,
        least=1,
        most=256,
    ),
    Setting(
        "writer.linger_seconds",
        "number",
        "How long a record may wait for others to be written with it.",
        default=0.25,
        most=60,
    ),
    Setting(
        "writer.metrics_port",
        "integer",
        "The port on which `writer` serves /metrics and /healthz, at receiver.host; 0 for none.",
        env="WRITER_METRICS_PORT",
        default=0,
        most=65_535,
    ),
    Setting(
        "receiver.host",
        "text",
        "The address the receiver listens on; 0.0.0.0 for all of this machine's.",
        env="RECEIVER_HOST",
        default="127.0.0.1",
    ),
    Setting(
        "receiver.port",
        "integer",
        "The port the receiver listens on; 0 takes a free one.",
        env="PORT",
        default=8080,
        most=65_535,
    ),
    Setting(
        "receiver.tolerance_seconds",
        "number",
        "How far the time in a signature may be from now, in either direction.",
        default=300.0,
        least=1,
        most=86_400,
    ),
    Setting(
        "receiver.body_megabytes",
        "number",
        "How large a delivery may be.",
        default=4.0,
        least=0.01,
        most=9,
    ),
    Setting(
        "receiver.spool_megabytes",
        "integer",
        "How much may be kept in the objects while the bus does not take it.",
        default=1_024,
        least=1,
        most=1_000_000,
    ),
)


@dataclass(frozen=True)
class Settings:
    """All settings with their values, checked; the embedded ports' URLs come from the data folder."""

    organization_id: str | None
    api_url: str
    concurrency: int
    reserve: float | None
    limit_scale: float
    data_dir: Path
    bus_url: str
    intake_url: str
    warehouse_url: str
    objects_url: str
    secrets_url: str
    duckdb_memory: str
    bigquery_location: str | None
    bigquery_live_staleness_minutes: int
    bigquery_staleness_minutes: int
    bigquery_max_gigabytes_per_query: float
    full_every_hours: float
    overlap_seconds: float
    deletions_share: float
    deletions_rows: int
    deletions_reads: int
    selection: SelectionRules
    batch_rows: int
    batch_megabytes: int
    linger_seconds: float
    metrics_port: int
    host: str
    port: int
    tolerance_seconds: float
    body_megabytes: float
    spool_megabytes: int


def settle(
    values: Mapping[str, Raw], places: Mapping[tuple[str, str], str] = MappingProxyType({})
) -> Settings:
    """Settings from checked values by key; what is absent gets its default.

    `places` says where names of tables and columns were written, for `SelectionRules`.
    """

    def text(key: str, default: str = "") -> str:
        return str(values.get(key) or _DEFAULTS.get(key) or default)

    def number(key: str) -> float:
        return float(str(values.get(key, _DEFAULTS[key])))

    def names(key: str) -> tuple[str, ...]:
        value = values.get(key, ())
        return ("*",) if value == "*" else tuple(value) if isinstance(value, list) else ()

    data_dir = Path(text("storage.data_dir")).expanduser().resolve()
    return Settings(
        organization_id=text("productive.organization_id") or None,
        api_url=text("productive.api_url"),
        concurrency=int(number("productive.concurrency")),
        reserve=number("productive.reserve") if "productive.reserve" in values else None,
        limit_scale=number("productive.limit_scale"),
        data_dir=data_dir,
        bus_url=text("storage.bus_url", url_of("sqlite", data_dir / "bus.sqlite")),
        intake_url=text("storage.intake_url", url_of("sqlite", data_dir / "intake.sqlite")),
        warehouse_url=text("storage.warehouse_url", url_of("duckdb", data_dir / "productive.duckdb")),
        objects_url=text("storage.objects_url", url_of("file", data_dir / "objects")),
        secrets_url=text("storage.secrets_url", url_of("file", data_dir / "secrets.json")),
        full_every_hours=number("crawl.full_every_hours"),
        overlap_seconds=number("crawl.overlap_seconds"),
        deletions_share=number("deletions.share"),
        deletions_rows=int(number("deletions.rows")),
        deletions_reads=int(number("deletions.reads")),
        duckdb_memory=text("storage.duckdb_memory"),
        bigquery_location=text("bigquery.location") or None,
        bigquery_live_staleness_minutes=int(number("bigquery.live_staleness_minutes")),
        bigquery_staleness_minutes=int(number("bigquery.staleness_minutes")),
        bigquery_max_gigabytes_per_query=number("bigquery.max_gigabytes_per_query"),
        selection=SelectionRules(
            only=names("tables.only"),
            add=names("tables.add"),
            skip=names("tables.skip"),
            history=names("tables.history"),
            add_columns=names("columns.add"),
            skip_columns=names("columns.skip"),
            hash_columns=names("columns.hash"),
            places=places,
        ),
        batch_rows=int(number("writer.batch_rows")),
        batch_megabytes=int(number("writer.batch_megabytes")),
        linger_seconds=number("writer.linger_seconds"),
        metrics_port=int(number("writer.metrics_port")),
        host=text("receiver.host"),
        port=int(number("receiver.port")),
        tolerance_seconds=number("receiver.tolerance_seconds"),
        body_megabytes=number("receiver.body_megabytes"),
        spool_megabytes=int(number("receiver.spool_megabytes")),
    )


_DEFAULTS: Final = {setting.key: setting.default for setting in SETTINGS}
