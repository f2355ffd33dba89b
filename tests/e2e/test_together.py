"""The commands beside and after one another."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e import agency
from tests.e2e.expected import assert_same
from tests.e2e.harness import Home
from tests.e2e.server import Productive


def fill(home: Home, productive: Productive) -> None:
    productive.fill("tasks", agency.tasks(450))
    productive.fill("people", agency.people(30))
    home.only("tasks", "people")


def test_a_backfill_beside_a_writer_publishes_and_waits_until_that_has_written(
    home: Home, productive: Productive
) -> None:
    fill(home, productive)
    with home.start("writer") as writer:
        writer.line("writing to ")
        ended = home.run("backfill").ok()
        assert "480 records" in ended.stdout
        shown = home.run("status", "--json").ok().json
        assert shown["backlog"]["messages"] == 0
        writer.send(signal.SIGTERM)
        assert writer.end().code == 0
    for path in ("tasks", "people"):
        assert_same(path, productive.tables[path].resources, home.rows(path))


def test_a_backfill_writes_itself_what_a_writer_leaves_when_it_ends(
    home: Home, productive: Productive
) -> None:
    fill(home, productive)
    productive.pace = 0.2
    with home.start("writer") as writer:
        writer.line("writing to ")
        with home.start("backfill") as backfill:
            assert productive.wait_for(2)
            writer.send(signal.SIGTERM)
            assert writer.end().code == 0
            backfill.end().ok()
    for path in ("tasks", "people"):
        assert_same(path, productive.tables[path].resources, home.rows(path))


def test_status_can_be_asked_during_the_first_crawl(home: Home, productive: Productive) -> None:
    fill(home, productive)
    productive.gated = 3
    with home.start("backfill") as backfill:
        assert productive.wait_for(3)
        shown = home.run("status", "--json").ok().json
        assert shown["run"]["finished_us"] is None
        crawls = [table["last_crawl"] for table in shown["tables"].values()]
        assert any(crawl is not None and crawl["status"] == "running" for crawl in crawls)
        productive.gate.set()
        backfill.end().ok()


def test_a_dead_holder_of_everything_is_taken_over_at_once(home: Home, productive: Productive) -> None:
    fill(home, productive)
    productive.gated = 3
    with home.start("backfill") as backfill:
        assert productive.wait_for(3)
        backfill.process.kill()
    productive.gate.set()
    home.run("backfill").ok()
    assert_same("tasks", productive.tables["tasks"].resources, home.rows("tasks"))


def test_while_a_writer_runs_its_copy_is_read(home: Home, productive: Productive) -> None:
    fill(home, productive)
    home.run("backfill").ok()
    with home.start("writer") as writer:
        writer.line("writing to ")
        assert home.run("status", "--json").ok().json["tables"]["tasks"]["warehouse"]["rows"] == 450
        home.run("verify").ok()
        writer.send(signal.SIGINT)
        assert writer.end().code == 0


def test_a_question_beside_a_running_writer_is_answered_as_of_this_moment(
    home: Home, productive: Productive
) -> None:
    fill(home, productive)
    home.run("backfill").ok()
    with home.start("writer") as writer:
        writer.line("writing to ")
        for title in ("Renamed", "Renamed again"):
            productive.tables["tasks"].resources[0]["attributes"]["title"] = title
            home.run("backfill", "--full").ok()
            asked = home.run("query", "--json", f"select count(*) from tasks where title = '{title}'").ok()
            assert asked.json["rows"] == [[1]]
    assert "cannot be run" in home.run("query", "select nonsense from tasks").refused(2)
    assert "reads" in home.run("query", "delete from tasks").refused(2)
    ended = home.run("query", "--limit", "3", "select id, closed, due_date from tasks order by id").ok()
    assert len(ended.stdout.splitlines()) == 4
    assert "only the first 3 rows" in ended.stderr


def test_verify_names_what_differs_and_a_crawl_does_not_undo_what_nobody_changed(
    home: Home, productive: Productive
) -> None:
    fill(home, productive)
    home.run("backfill").ok()
    first, second, *_ = sorted(home.rows("people"))
    home.execute("delete from people where id = ?", [first])
    home.execute("update people set first_name = 'Nobody' where id = ?", [second])
    home.execute("insert into people (id) values ('invented')")
    ended = home.run("verify", "--sample", "200")
    assert ended.code == 1
    for id_ in (first, second, "invented"):
        assert id_ in ended.stdout
    assert "first_name" in ended.stdout


def test_a_second_crawl_only_moves_on_when_it_was_read(home: Home, productive: Productive) -> None:
    fill(home, productive)
    home.run("backfill").ok()
    before = home.rows("tasks")
    productive.tables["tasks"].resources[0]["attributes"]["title"] = "Renamed"
    home.run("backfill", "--full").ok()
    after = home.rows("tasks")
    changed = {
        column
        for id_, row in after.items()
        for column in row.keys() | before[id_].keys()
        if row.get(column) != before[id_].get(column)
    }
    assert changed == {"title", "_synced_at", "_run_id", "_version_observed"}
    assert_same("tasks", productive.tables["tasks"].resources, after)


def test_a_dead_letter_can_be_looked_at_and_brought_back(home: Home, productive: Productive) -> None:
    productive.fill("tags", [agency.resource("tags", "1", {"name": "fine"}, {}), {"type": "tags"}])
    home.only("tags")
    assert "1 records of tags that are no records" in home.run("backfill").ok().stdout
    [letter] = home.run("deadletters", "list", "--json").ok().json["dead_letters"]
    assert letter["table"] == "tags"
    assert "no id" in letter["reason"]
    assert '"type"' in home.run("deadletters", "show", letter["id"]).ok().stdout
    assert "there is no dead letter" in home.run("deadletters", "show", "999").refused(2)
    assert "which dead letters" in home.run("deadletters", "replay").refused(2)
    assert home.run("deadletters", "replay", "--all", "--json").ok().json == {"replayed": 1}
    home.run("writer", "--drain").ok()
    [again] = home.run("deadletters", "list", "--json").ok().json["dead_letters"]
    assert again["table"] == "tags"


def test_one_table_can_be_read_alone_and_also_one_that_is_not_selected(
    home: Home, productive: Productive
) -> None:
    fill(home, productive)
    productive.fill("todos", [agency.resource("todos", "1", {"description": "call"}, {})])
    home.run("backfill", "--table", "todos").ok()
    assert {asked.path for asked in productive.asked} == {"todos"}
    assert home.execute("select description from todos") == [("call",)]


def test_check_tells_what_can_be_read(home: Home, productive: Productive) -> None:
    fill(home, productive)
    productive.fill("salaries", [], status=403, code="forbidden")
    home.only("tasks", "people", "salaries")
    found = home.run("check", "--json").ok().json
    assert (found["readable"], found["records"]) == (2, 480)
    [salaries] = [access for access in found["tables"] if access["table"] == "salaries"]
    assert not salaries["readable"]
    assert salaries["reason"]


def test_run_crawls_again_and_again_until_it_is_stopped(home: Home, productive: Productive) -> None:
    fill(home, productive)
    with home.start("run", "--every", "0.01") as running:
        running.line("crawl ")
        task = productive.tables["tasks"].resources[0]["attributes"]
        task |= {"title": "Renamed while it runs", "updated_at": datetime.now(UTC).isoformat()}
        running.line("crawl ")
        running.line("crawl ")
        running.send(signal.SIGTERM)
        assert running.end().code == 0
    assert_same("tasks", productive.tables["tasks"].resources, home.rows("tasks"))


def test_the_demo_fills_58_tables_answers_its_question_and_shows_changes_arrive(home: Home) -> None:
    ended = home.run("demo", "--people", "5", "--seconds", "3").ok()
    assert "58 tables" in ended.stdout
    assert "Profit per project" in ended.stdout
    assert "there after" in ended.stdout
    assert "The 10 tables they belong to are as the sandbox has them." in ended.stdout
    assert (home.folder / "productive-demo" / "productive.duckdb").exists()
    assert Path(home.data).exists() is False
