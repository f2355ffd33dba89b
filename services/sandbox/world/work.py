"""What is to be done: projects with folders, task lists and tasks, and what people say about them."""

from __future__ import annotations

from dataclasses import dataclass

from services.sandbox.storage import Ref, Row
from services.sandbox.world import words
from services.sandbox.world.builder import World, iso
from services.sandbox.world.clients import Client
from services.sandbox.world.custom import custom_values
from services.sandbox.world.setup import Setup
from services.sandbox.world.staff import Staff
from services.sandbox.zone import DAY, stamp


@dataclass(frozen=True)
class Work:
    """Projects, and the tasks of each by the project's id."""

    projects: list[Row]
    tasks: dict[int, list[Row]]


def projects(world: World, setup: Setup, staff: Staff, clients: list[Client]) -> list[Row]:
    """The projects; a few internal, archived or templates."""
    rows = []
    for number in range(max(3, world.people * 6 // 5)):
        client = clients[number % len(clients)]
        first_word = client.row.attributes["name"].split()[0]
        workflow, _ = setup.workflows[number % 5 == 4]
        created = world.now_us - world.random.randrange(250, 600) * DAY
        row = world.add(
            "projects",
            {
                "name": f"{words.PROJECTS[number % len(words.PROJECTS)]} {first_word}",
                "number": str(number + 1),
                "project_number": str(number + 1),
                "project_type_id": 1 if number % 10 == 9 else 2,
                "project_color_id": number % 20,
                "template": False,
                "preferences": {"close_tasks": True},
                "tag_colors": {"urgent": 4},
                "archived_at": stamp(world.now_us - 30 * DAY) if world.chance(0.04) else None,
                "task_custom_fields_ids": [field.id for field, _ in setup.fields["tasks"]],
            },
            {
                "company": client.row,
                "project_manager": world.choice(staff.active()).row,
                "last_actor": world.choice(staff.active()).row,
                "workflow": workflow,
            },
            at=created,
            changed=world.now_us - int(world.random.random() * 60 * DAY),
        )
        row.attributes["custom_fields"] = custom_values(
            world, setup.fields["projects"], row, [one.row for one in staff.employees]
        )
        rows.append(row)
    return rows


def build(world: World, setup: Setup, staff: Staff, all_projects: list[Row]) -> Work:
    """Folders, lists, tasks, to-dos and comments of all projects."""
    tasks: dict[int, list[Row]] = {}
    for place, project in enumerate(all_projects):
        lists = _lists(world, project)
        statuses = setup.workflows[place % 5 == 4][1]
        count = world.random.randrange(18, 48)
        tasks[project.id] = [
            _task(world, setup, staff, world.choice(lists), statuses, number=number, created=created)
            for number, created in enumerate(sorted(_moment(world) for _ in range(count)))
        ]
        _nest(tasks[project.id])
        _dependencies(world, tasks[project.id])
        for watcher in world.random.sample(staff.employees, min(3, len(staff.employees))):
            world.add(
                "project_assignments",
                {"watched": world.chance(0.5)},
                {"project": project, "person": watcher.row},
                at=project.created_us,
            )
            world.add(
                "memberships",
                {"access_type_id": 2, "target_type": "project", "type_id": 1, "options": {}},
                {"project": project, "person": watcher.row},
                at=project.created_us,
            )
    return Work(all_projects, tasks)


def _lists(world: World, project: Row) -> list[Row]:
    lists = []
    for place, folder_name in enumerate(words.FOLDERS[: 1 + world.random.randrange(0, 2)]):
        folder = world.add(
            "folders",
            {"name": folder_name, "position": place + 1, "placement": place * 1_000},
            {"project": project},
            at=project.created_us,
        )
        for index, name in enumerate(words.LISTS[: world.random.randrange(2, 4)]):
            lists.append(
                world.add(
                    "task_lists",
                    {
                        "name": name,
                        "position": None if index == 0 else index,
                        "placement": None if index == 0 else index * 1_000,
                        "email_key": f"list-{folder.id:x}-{index}",
                    },
                    {"project": project, "folder": folder, "board": Ref("boards", folder.id)},
                    at=project.created_us,
                )
            )
    return lists


def _moment(world: World) -> int:
    """Some working hour of the last eight months."""
    day = world.workday(world.day(ago=world.random.randrange(0, 240)))
    return min(world.at(day, 8 + world.random.random() * 6), world.now_us - DAY // 6)


def _task(
    world: World,
    setup: Setup,
    staff: Staff,
    task_list: Row,
    statuses: list[Row],
    *,
    number: int,
    created: int,
) -> Row:
    changed = created + int((world.now_us - created) * world.random.random() ** 3)
    done = world.chance(0.55)
    status = statuses[-1] if done else world.choice(statuses[:-1])
    due = world.today.toordinal() - world.random.randrange(-40, 120) if world.chance(0.6) else None
    people = [one.row for one in staff.employees]
    creator = world.choice(people)
    row = world.add(
        "tasks",
        {
            "title": f"{world.choice(words.VERBS)} {world.choice(words.THINGS)}",
            "description": None if world.chance(0.4) else f"<p>{world.choice(words.SENTENCES)}</p>",
            "number": str(number + 1),
            "task_number": str(number + 1),
            "closed": done,
            "closed_at": stamp(changed) if done else None,
            "due_date": iso(world.today.fromordinal(due)) if due else None,
            "start_date": iso(world.today.fromordinal(due - 7)) if due and world.chance(0.5) else None,
            "private": world.chance(0.03),
            "type_id": 1,
            "creation_method_id": 1,
            "placement": (number + 1) * 1_000,
            "initial_estimate": world.choice((None, 60, 120, 240, 480)),
            "repeat_schedule_id": None,
            "tag_list": sorted(world.random.sample(words.TAGS, world.random.randrange(0, 3))),
            "email_key": f"task-{task_list.id:x}-{number:x}",
        },
        {
            "project": task_list.links["project"],
            "task_list": task_list,
            "workflow_status": status,
            "creator": creator,
            "assignee": world.choice(people) if world.chance(0.8) else None,
            "last_actor": creator,
        },
        at=created,
        changed=changed,
    )
    row.attributes["custom_fields"] = custom_values(world, setup.fields["tasks"], row, people)
    _todos(world, row, people)
    _comments(world, row, people)
    return row


def _todos(world: World, row: Row, people: list[Row]) -> None:
    for place in range(world.random.randrange(0, 3) if world.chance(0.2) else 0):
        closed = world.chance(0.5)
        world.add(
            "todos",
            {
                "description": f"{world.choice(words.VERBS)} {world.choice(words.THINGS)}",
                "position": place + 1,
                "closed": closed,
                "closed_at": stamp(row.changed_us) if closed else None,
                "due_date": row.attributes["due_date"],
                "todoable_type": "task",
            },
            {"task": row, "assignee": world.choice(people)},
            at=row.created_us,
        )
        row.attributes["todo_count"] += 1
        row.attributes["open_todo_count"] = (row.attributes["open_todo_count"] or 0) + (not closed)


def _comments(world: World, row: Row, people: list[Row]) -> None:
    for _ in range(world.random.randrange(0, 3) if world.chance(0.5) else 0):
        when = row.created_us + int((row.changed_us - row.created_us) * world.random.random())
        world.add(
            "comments",
            {
                "body": f"<p>{world.choice(words.SENTENCES)}</p>",
                "commentable_type": "task",
                "commentable_id": row.id,
                "version_number": 1,
            },
            {"task": row, "creator": world.choice(people)},
            at=when,
        )


def _nest(tasks: list[Row]) -> None:
    """Every seventh task is a subtask of the one before it."""
    for parent, child in zip(tasks[::7], tasks[1::7], strict=False):
        child.links["parent_task"] = Ref("tasks", parent.id)
        parent.attributes["subtask_count"] += 1
        if not child.attributes["closed"]:
            parent.attributes["open_subtask_count"] = (parent.attributes["open_subtask_count"] or 0) + 1


def _dependencies(world: World, tasks: list[Row]) -> None:
    for task, dependent in zip(tasks[3::11], tasks[5::11], strict=False):
        world.add(
            "task_dependencies",
            {"type_id": 1, "dependency_type": "blocking"},
            {"task": task, "dependent_task": dependent},
            at=max(task.created_us, dependent.created_us),
        )
        task.attributes["task_dependency_count"] += 1
        task.attributes["blocking_dependency_count"] += 1
        dependent.attributes["waiting_on_dependency_count"] += 1
