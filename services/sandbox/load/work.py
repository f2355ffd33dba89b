"""Tasks and projects."""

from __future__ import annotations

from typing import Any

from services.sandbox.load.agency import Agency, LoadEvent
from services.sandbox.storage import Row
from services.sandbox.world import words
from services.sandbox.zone import stamp

_CLOSED = 3  # the category of a workflow's last statuses


def _title(agency: Agency) -> str:
    return f"{agency.choice(words.VERBS)} {agency.choice(words.THINGS)}"


def _status(agency: Agency, task: Row, *, closed: bool) -> Row | None:
    """Another status of the task's workflow."""
    current = agency.end(task, "workflow_status")
    if current is None:
        return None
    return agency.pick(
        "workflow_statuses",
        lambda row: (
            row.links["workflow"] == current.links["workflow"]
            and row.id != current.id
            and (row.attributes["category_id"] == _CLOSED) is closed
        ),
    )


def create_task(agency: Agency) -> LoadEvent | None:
    """Somebody writes a task down."""
    model = agency.pick("tasks", lambda row: not row.attributes["closed"])
    who = agency.colleague()
    if model is None or who is None:
        return None
    title = _title(agency)
    # What adds up from other records begins at nothing.
    values: dict[str, Any] = {
        name: 0
        for name in model.attributes
        if name.endswith(("_count", "_time")) and isinstance(model.attributes[name], int)
    }
    number = str(agency.organization.count("tasks") + 1)
    values |= {"title": title, "number": number, "task_number": number, "closed": False}
    links = {"creator": who, "last_actor": who, "assignee": agency.colleague(), "parent_task": None}
    new = agency.create_like("tasks", model, values, {**links, "repeated_task": None})
    where = agency.name(agency.end(model, "project"), "no project")
    text = f"{agency.name(who)} added '{title}' to {where}"
    return LoadEvent("create", "tasks", new, text) if new else None


def rename_task(agency: Agency) -> LoadEvent | None:
    """A task gets a better title."""
    task, who = agency.pick("tasks"), agency.colleague()
    if task is None or who is None:
        return None
    title = _title(agency)
    agency.change("tasks", task, {"title": title}, {"last_actor": who})
    text = f"{agency.name(who)} renamed '{agency.name(task)}' to '{title}'"
    return LoadEvent("update", "tasks", str(task.id), text)


def move_task(agency: Agency) -> LoadEvent | None:
    """A task goes on to another status, open again if it was closed."""
    task, who = agency.pick("tasks"), agency.colleague()
    status = _status(agency, task, closed=False) if task else None
    if task is None or who is None or status is None:
        return None
    opened = {"closed": False, "closed_at": None}
    agency.change("tasks", task, opened, {"workflow_status": status, "last_actor": who})
    text = f"{agency.name(who)} moved '{agency.name(task)}' to {agency.name(status)}"
    return LoadEvent("update", "tasks", str(task.id), text)


def close_task(agency: Agency) -> LoadEvent | None:
    """A task is done."""
    task, who = agency.pick("tasks", lambda row: not row.attributes["closed"]), agency.colleague()
    status = _status(agency, task, closed=True) if task else None
    if task is None or who is None or status is None:
        return None
    closed = {"closed": True, "closed_at": stamp(agency.organization.now_us())}
    agency.change("tasks", task, closed, {"workflow_status": status, "last_actor": who})
    text = f"{agency.name(who)} closed '{agency.name(task)}'"
    return LoadEvent("update", "tasks", str(task.id), text)


def assign_task(agency: Agency) -> LoadEvent | None:
    """A task is handed to somebody."""
    task, who = agency.pick("tasks", lambda row: not row.attributes["closed"]), agency.colleague()
    if task is None or who is None:
        return None
    agency.change("tasks", task, {}, {"assignee": who})
    text = f"'{agency.name(task)}' was assigned to {agency.name(who)}"
    return LoadEvent("update", "tasks", str(task.id), text)


def delete_task(agency: Agency) -> LoadEvent | None:
    """A task that nothing hangs on is deleted."""
    task = agency.unneeded("tasks")
    who = agency.colleague()
    if task is None:
        return None
    return agency.remove("tasks", task, f"{agency.name(who)} deleted '{agency.name(task)}'")


def create_project(agency: Agency) -> LoadEvent | None:
    """A client wants something new."""
    model = agency.pick("projects", lambda row: agency.end(row, "company") is not None)
    if model is None:
        return None
    name, number = agency.choice(words.PROJECTS), str(agency.organization.count("projects") + 1)
    new = agency.create_like(
        "projects",
        model,
        {"name": name, "number": number, "project_number": number},
        {"project_manager": agency.colleague(), "template_object": None},
    )
    text = f"'{name}' was started for {agency.name(agency.end(model, 'company'))}"
    return LoadEvent("create", "projects", new, text) if new else None


def rename_project(agency: Agency) -> LoadEvent | None:
    """A project gets another name."""
    project = agency.pick("projects")
    if project is None:
        return None
    name = f"{agency.choice(words.PROJECTS)} {agency.today.year}"
    agency.change("projects", project, {"name": name})
    text = f"'{agency.name(project)}' is now called '{name}'"
    return LoadEvent("update", "projects", str(project.id), text)


def delete_project(agency: Agency) -> LoadEvent | None:
    """A project that nothing hangs on is deleted."""
    project = agency.unneeded("projects")
    if project is None:
        return None
    return agency.remove("projects", project, f"'{agency.name(project)}' was deleted")
