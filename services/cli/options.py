"""The options that every command has, and the settings they lead to."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from services.cli.output import Output
from shared.config import Settings, load_settings
from shared.config.settings import Raw
from shared.telemetry.exporting import exporting
from shared.telemetry.logging import configure as configure_logging
from shared.telemetry.logging import is_structured

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Invocation:
    """What every command gets: its settings and where to print."""

    settings: Settings
    output: Output


def common_options(body: Callable[..., Result]) -> Callable[..., Result]:
    """Add `--config`, `--data-dir`, `--json` and `--verbose`; the body gets an `Invocation` first."""

    @click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="PRODUCTIVE_INGEST_CONFIG",
        help="The configuration file.  [default: productive-ingest.toml, if there is one]",
    )
    @click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="The folder of the embedded stores.  [default: ./productive-data]",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
    @click.option("-v", "--verbose", is_flag=True, help="Log what happens, to standard error.")
    @functools.wraps(body)
    def command(
        *args: Any,
        config_file: Path | None,
        data_dir: Path | None,
        as_json: bool,
        verbose: bool,
        **kwargs: Any,
    ) -> Result:
        configure_logging(os.environ, verbose=verbose)
        overrides: dict[str, Raw] = {"storage.data_dir": str(data_dir)} if data_dir else {}
        settings = load_settings(config_file, os.environ, overrides)
        return body(
            Invocation(settings, Output(as_json=as_json, as_log=is_structured(os.environ))), *args, **kwargs
        )

    return command


def run_async(
    body: Callable[Parameters, Coroutine[Any, Any, Result]],
) -> Callable[Parameters, Result]:
    """Run a coroutine function as a command; SIGTERM stops it as Ctrl-C does."""

    @functools.wraps(body)
    def command(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        async def supervised() -> Result:
            task = asyncio.current_task()
            if task is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            return await body(*args, **kwargs)

        with exporting(os.environ, command=body.__name__):
            return asyncio.run(supervised())

    return command
