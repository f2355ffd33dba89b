"""Whether a project is there and in use, asked of Resource Manager (v3 `projects.get`, documented)."""

from __future__ import annotations

from typing import Any, Final

import google.auth
import requests
from google.auth import exceptions
from google.auth.transport.requests import AuthorizedSession

from shared.google.commands import LOG_IN, enable_api
from shared.google.endpoints import Service, rest_credentials
from shared.google.examination import CALL_SECONDS
from shared.google.findings import Finding, good, problem, unknown

RESOURCE_MANAGER: Final = Service(
    "Resource Manager", "cloudresourcemanager.googleapis.com", "RESOURCE_MANAGER_EMULATOR_HOST"
)
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)


def look_at_project(project: str) -> Finding:
    """One request, with credentials of the environment; without any, or without an answer, it is `unknown`.

    Google answers 403 both for a project that there is not and for one that this account may not see.
    """
    subject = f"project {project}"
    try:
        return _told(subject, project, _ask(project))
    except exceptions.DefaultCredentialsError:
        why, fix = "there are no credentials of Google's here", LOG_IN
    except exceptions.RefreshError:
        why, fix = "the credentials here are refused", LOG_IN
    except (exceptions.GoogleAuthError, requests.RequestException) as error:
        why, fix = f"nobody answers ({type(error).__name__})", ""
    return unknown(subject, f"not looked at, because {why}", fix)


def _told(subject: str, project: str, answer: requests.Response) -> Finding:
    content = _content(answer)
    if answer.status_code == requests.codes.ok:
        return _state(subject, content)
    if "SERVICE_DISABLED" in _reasons(content.get("error")):
        fix = enable_api(RESOURCE_MANAGER.api, project)
        return unknown(subject, "not looked at, because the API of Resource Manager is switched off", fix)
    if answer.status_code in (requests.codes.forbidden, requests.codes.not_found):
        text = "there is none of this id, or this account may not see it"
        return problem(subject, text, "gcloud projects list")
    return unknown(subject, f"not looked at, because Google answers {answer.status_code}")


def _ask(project: str) -> requests.Response:
    stand_in = RESOURCE_MANAGER.stand_in
    credentials: Any = rest_credentials(RESOURCE_MANAGER)
    if credentials is None:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    place = f"http://{stand_in}" if stand_in else f"https://{RESOURCE_MANAGER.api}"
    with AuthorizedSession(credentials) as session:
        answer: requests.Response = session.get(
            f"{place}/v3/projects/{project}", timeout=CALL_SECONDS, allow_redirects=False
        )
    return answer


def _state(subject: str, content: dict[str, Any]) -> Finding:
    match content.get("state"):
        case "ACTIVE":
            return good(subject, "it is there")
        case "DELETE_REQUESTED":
            return problem(subject, "it is being deleted", "gcloud projects list")
    return unknown(subject, "Google says nothing about its state")


def _content(answer: requests.Response) -> dict[str, Any]:
    try:
        content = answer.json()
    except requests.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _reasons(error: Any) -> set[str]:
    details = error.get("details") if isinstance(error, dict) else None
    return {str(one.get("reason")) for one in details or () if isinstance(one, dict)}
