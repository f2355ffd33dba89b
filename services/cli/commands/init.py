"""`productive-ingest init`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from services.backfill.check import Access
from services.cli.init.answers import Answers
from services.cli.init.asking import Given, answers_of, token_of
from services.cli.init.files import (
    CONFIG,
    VARIABLES,
    configuration,
    refuse_to_overwrite,
    seen_from,
    terraform_variables,
    write_files,
)
from services.cli.init.trying import try_project, try_token
from services.cli.options import Invocation, common_options, run_async
from services.cli.render.doctor import print_finding
from shared.config import Settings
from shared.errors import ConfigError
from shared.google.findings import Finding
from shared.secrets import Secret


@click.command(epilog="Example: productive-ingest init --project acme-data --organization-id 12345")
@click.option("--project", help="The id of the Google Cloud project.")
@click.option("--organization-id", help="The number before the first dash in Productive's web address.")
@click.option("--name", help="A short name of the organization, a part of all names.  [default: main]")
@click.option("--region", help="Where the services run.  [default: europe-west1]")
@click.option(
    "--bigquery-location", help="Where the tables are kept.  [default: EU, US or the region, by --region]"
)
@click.option("--alert-email", "alert_emails", multiple=True, help="Who gets alerts; may be repeated.")
@click.option(
    "--operator",
    "operators",
    multiple=True,
    help="Who may run the commands there, like user:ada@example.com; may be repeated.",
)
@click.option(
    "--terraform",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("infra/terraform"),
    show_default=True,
    help="The folder of the Terraform module, which gets terraform.tfvars.",
)
@click.option("--no-check", is_flag=True, help="Try neither the token nor the project.")
@click.option("--force", is_flag=True, help="Write both files anew, even where they are there.")
@common_options
def init(invocation: Invocation, folder: Path, *, no_check: bool, force: bool, **options: Any) -> None:
    """Describe an installation on Google Cloud: Terraform's variables and the configuration file.

    Asks for what no option says, tries the API token and, where Google's credentials are at hand, the
    project, and writes two files. The token is written nowhere. Nothing is made on Google Cloud: that is
    what `terraform apply` does next.
    """
    settings, output = invocation.settings, invocation.output
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder {folder}",
            advice="Run this in a checkout of productive-ingest, or say with --terraform where its Terraform "
            "module is.",
        )
    files = (folder / VARIABLES, Path(CONFIG))
    if not force:
        refuse_to_overwrite(files)
    interactive = output.interactive and sys.stdin.isatty()
    options["organization_id"] = options["organization_id"] or settings.organization_id
    answers = answers_of(Given(**options), interactive=interactive)
    project: Finding | None = None
    tables: list[Access] = []
    if not no_check:
        token = token_of(interactive=interactive)
        tables, project = run_async(_try)(settings, answers, token)
        print_finding(output, project)
        _refuse(project, tables)
        readable = sum(one.readable for one in tables)
        output.say(f"The token is good: it can read {readable} of {len(tables)} tables.")
    variables = terraform_variables(answers, seen_from(folder, files[1]))
    write_files({files[0]: variables, files[1]: configuration(answers)})
    commands = next_commands(answers, folder)
    output.say(f"Written: {files[0]} and {files[1]}. Next, as docs/deploy.md explains:", style="bold")
    for command in commands:
        output.say(f"  {command}")
    output.result(
        {
            "files": [str(file) for file in files],
            "answers": answers,
            "project": project,
            "tables": tables,
            "next": commands,
        }
    )


def next_commands(answers: Answers, folder: Path) -> list[str]:
    """What is to be done once the files are written; docs/deploy.md has the rest."""
    return [
        f"gcloud auth application-default set-quota-project {answers.project}",
        f"terraform -chdir={folder} init",
        f"terraform -chdir={folder} apply",
        f"terraform -chdir={folder} output next_commands",
    ]


async def _try(settings: Settings, answers: Answers, token: Secret) -> tuple[list[Access], Finding]:
    tables = await try_token(settings, answers.organization_id, token)
    return tables, await try_project(answers.project)


def _refuse(project: Finding, tables: Sequence[Access]) -> None:
    """`ConfigError` when an installation would come to nothing."""
    if project.state == "problem":
        raise ConfigError(
            f"{project.subject}: {project.text}",
            advice="Give another one with --project, log in as somebody who may see it, or leave all checks "
            "out with --no-check.",
        )
    if not any(one.readable for one in tables):
        why = next((one.reason for one in tables if one.reason), "no table is selected")
        raise ConfigError(
            f"this token can read no table ({why})",
            advice="Make one in Productive that may read, and try it.",
        )
