"""The two files of an installation: Terraform's variables, and the configuration of commands and services."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from services.cli.init.answers import Answers
from shared.errors import ConfigError, StorageError

VARIABLES: Final = "terraform.tfvars"
CONFIG: Final = "productive-ingest.toml"


def terraform_variables(answers: Answers, config_file: str) -> str:
    """The content of terraform.tfvars; `config_file` as seen from the folder where terraform runs."""
    lines = [
        "# Every variable is explained in variables.tf. There is no secret here, and none belongs here.",
        f"project           = {_text(answers.project)}",
        f"region            = {_text(answers.region)}",
        f"bigquery_location = {_text(answers.bigquery_location)}",
        "",
        "organizations = {",
        f"  {answers.name} = {{",
        f"    organization_id = {_text(answers.organization_id)}",
        f"    config_file     = {_text(config_file)}",
        "  }",
        "}",
        "",
        "# Who hears of trouble, and who may run the commands against this installation.",
        f"alert_emails = {_texts(answers.alert_emails)}",
        f"operators    = {_texts(answers.operators)}",
    ]
    return "\n".join([*lines, ""])


def configuration(answers: Answers) -> str:
    """The content of productive-ingest.toml, which the services get, too."""
    storage = [f"{key:<13} = {_text(url)}" for key, url in answers.urls.items()]
    lines = [
        "# Commands in this folder work with the installation on Google Cloud; the services there read this",
        "# file, too. docs/configuration.md has every key, [tables] and [columns] among them.",
        "",
        "[productive]",
        f"organization_id = {_text(answers.organization_id)}",
        "",
        "[storage]",
        *storage,
        "",
        "[bigquery]",
        f"location = {_text(answers.bigquery_location)}",
        "",
        "# What is synced: the 57 core tables and people, unless you choose otherwise.",
        "[tables]",
        '# skip = ["activities"]',
        '# history = ["deals"]',
    ]
    return "\n".join([*lines, ""])


def refuse_to_overwrite(files: Sequence[Path]) -> None:
    """`ConfigError` when one of them is there already."""
    there = [str(file) for file in files if file.exists()]
    if there:
        raise ConfigError(
            f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} there already",
            advice="Edit by hand what is to change, or have both files written anew with --force.",
        )


def write_files(contents: Mapping[Path, str]) -> None:
    """Each file whole or not at all; `StorageError` when one cannot be written."""
    for path, content in contents.items():
        half = path.with_name(f"{path.name}.new")
        try:
            half.write_text(content, encoding="utf-8")
            half.replace(path)
        except OSError as error:
            raise StorageError(
                f"cannot write {path}: {error.strerror}", advice="Make room, or see who may write there."
            ) from None


def seen_from(folder: Path, file: Path) -> str:
    """The file's path relative to a folder, with slashes, as Terraform takes it on every system."""
    return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()


def _text(value: str) -> str:
    """A text in HCL and in TOML, which write such texts alike; Terraform's templates are switched off."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _texts(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"
