"""One module per command."""

from __future__ import annotations

import click

from services.cli.commands.backfill import backfill
from services.cli.commands.check import check
from services.cli.commands.deadletters import deadletters
from services.cli.commands.demo import demo
from services.cli.commands.doctor import doctor
from services.cli.commands.init import init
from services.cli.commands.purge import purge
from services.cli.commands.query import query
from services.cli.commands.resync import resync
from services.cli.commands.run import run
from services.cli.commands.sandbox import sandbox
from services.cli.commands.schema import schema
from services.cli.commands.serve import serve
from services.cli.commands.status import status
from services.cli.commands.tables import tables
from services.cli.commands.verify import verify
from services.cli.commands.webhooks import webhooks
from services.cli.commands.writer import writer

COMMANDS: tuple[click.Command, ...] = (
    demo,
    init,
    check,
    doctor,
    tables,
    backfill,
    writer,
    serve,
    run,
    webhooks,
    query,
    verify,
    resync,
    status,
    deadletters,
    schema,
    purge,
    sandbox,
)
