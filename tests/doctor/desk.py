"""What a person at a terminal has: a data folder, variables, and the command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from services.cli.commands.doctor import doctor
from services.cli.doctor.sections import Section
from services.cli.render.doctor import conclusion
from shared.config import Settings, load_settings
from shared.google.findings import Finding

__all__ = ["Desk", "conclusion", "found", "told"]


@dataclass
class Desk:
    """Runs `doctor` on a folder of its own."""

    folder: Path
    variables: dict[str, str | None] = field(
        default_factory=lambda: {"PRODUCTIVE_ORGANIZATION_ID": "42", "PRODUCTIVE_API_TOKEN": "t0ken"}
    )

    def run(self, *arguments: str) -> Result:
        """The command as it is typed; its return value is the exit code."""
        options = [*arguments, "--data-dir", str(self.folder)]
        return CliRunner().invoke(doctor, options, env=self.variables, standalone_mode=False)

    def findings(self, *arguments: str) -> list[Finding]:
        """What `--json` tells, of all sections."""
        result = self.run(*arguments, "--json")
        if result.exception is not None:
            raise result.exception
        sections: list[dict[str, Any]] = json.loads(result.stdout)["sections"]
        return [Finding(**finding) for section in sections for finding in section["findings"]]

    def settings(self, environment: Mapping[str, str]) -> Settings:
        """The settings that these variables lead to."""
        return load_settings(None, environment, {"storage.data_dir": str(self.folder)})


def found(findings: list[Finding] | tuple[Finding, ...], state: str) -> list[tuple[str, str]]:
    """Subject and command of the findings of one state."""
    return [(finding.subject, finding.fix) for finding in findings if finding.state == state]


def told(section: Section | list[Finding], words: str) -> Finding:
    """The one finding whose text holds the words."""
    findings = section.findings if isinstance(section, Section) else section
    [finding] = [one for one in findings if words in one.text]
    return finding
