"""The webhooks in words: what there is, what was done, what to do next. Tokens are never shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from services.cli.output import Output
from services.ingest.webhooks.ensure import Did, Ensured
from services.ingest.webhooks.listing import Listed, Listing
from services.ingest.webhooks.probe import Heard
from services.ingest.webhooks.register import Registered
from services.ingest.webhooks.remote import Webhook
from services.ingest.webhooks.remove import Removed
from services.ingest.webhooks.replay import Replayed
from services.ingest.webhooks.verify import Finding, Verified
from shared.clock import MICROSECONDS


def moment(us: int | None) -> str:
    """A time for people and for `--since`, UTC; empty when there is none."""
    if us is None:
        return ""
    return datetime.fromtimestamp(us / MICROSECONDS, UTC).strftime("%Y-%m-%dT%H:%MZ")


def print_listing(output: Output, listing: Listing) -> None:
    """One line per webhook of ours."""
    if not listing.ours:
        output.say("No webhooks of ours. `productive-ingest webhooks register --url URL` makes them.")
    else:
        rows = [
            (
                one.event,
                str(one.webhook.state),
                "held" if one.held else "missing",
                _since(one),
                _failure(one),
                one.webhook.target_url,
            )
            for one in listing.ours
        ]
        output.table(("event", "state", "token", "since", "last failure", "url"), rows)
    if listing.others:
        output.say(f"{listing.others:,} webhooks of others are left alone.")


def plain_listing(listing: Listing) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "webhooks": [
            {
                **plain_webhook(one.webhook),
                "event": one.event,
                "token_held": one.held,
                "since": _since(one) or None,
                "last_failure": _failure(one) or None,
            }
            for one in listing.ours
        ],
        "others": listing.others,
    }


def print_registered(output: Output, outcome: Registered, *, dry_run: bool) -> None:
    """What registering did, per event only where something was to be done."""
    rows = [(one.event.name, str(one.did), _done(one, dry_run=dry_run)) for one in _changed(outcome.events)]
    if rows:
        output.table(("event", "found", "done"), rows)
    _print_elsewhere(output, outcome.elsewhere, replaced=outcome.replaced)
    output.say(
        f"{len(outcome.events)} events at {outcome.address.base}: {outcome.created} "
        + ("would be made." if dry_run else f"made, {len(outcome.events) - outcome.created} were there."),
        style="bold",
    )


def print_rotated(output: Output, outcome: Registered) -> None:
    """What rotating did."""
    old = sum(len(one.removed) for one in outcome.events)
    output.say(
        f"{outcome.created} events at {outcome.address.base} have new webhooks and new tokens; "
        f"{old} old webhooks are deleted.",
        style="bold",
    )


def plain_registered(outcome: Registered, *, dry_run: bool) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "address": outcome.address.base,
        "dry_run": dry_run,
        "made": outcome.created,
        "events": [_plain_ensured(one, dry_run=dry_run) for one in outcome.events],
        "elsewhere": [plain_webhook(webhook) for webhook in outcome.elsewhere],
        "elsewhere_removed": outcome.replaced,
    }


def print_verified(output: Output, outcome: Verified, *, dry_run: bool) -> None:
    """Every event with what was found, what was done, and what the test event came to."""
    rows = [
        (
            finding.ensured.event.name,
            str(finding.ensured.did) + (", deliveries failed lately" if finding.failing else ""),
            _done(finding.ensured, dry_run=dry_run),
            str(finding.heard or "not sent"),
        )
        for finding in outcome.findings
    ]
    output.table(("event", "found", "done", "test event"), rows)
    output.say()
    for heard in dict.fromkeys(finding.heard for finding in outcome.findings):
        if heard is not None and heard is not Heard.ACCEPTED:
            output.say(f"{heard} ({_details(outcome.findings, heard)}). {heard.advice}", style="yellow")
    _print_elsewhere(output, outcome.elsewhere, replaced=False)
    wrong = sum(not finding.right for finding in outcome.findings)
    if wrong:
        output.say(f"{wrong} of {len(outcome.findings)} events do not arrive.", style="bold red")
    else:
        output.say(f"{len(outcome.findings)} events arrive at {outcome.address.base}.", style="bold green")


def print_missed(output: Output, outcome: Verified) -> None:
    """From when on something may have been missed, and how that is healed."""
    if not outcome.missed:
        return
    since = moment(outcome.missed_since_us)
    if since:
        output.say(f"Changes since {since} may have been missed.", style="yellow")
    else:
        output.say("Changes may have been missed; since when is not known.", style="yellow")
    output.say(f"  productive-ingest webhooks replay --since {since or '48h'}")


def plain_verified(outcome: Verified, *, dry_run: bool) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "right": outcome.right,
        "address": outcome.address.base,
        "dry_run": dry_run,
        "events": [
            {
                **_plain_ensured(finding.ensured, dry_run=dry_run),
                "right": finding.right,
                "failing": finding.failing,
                "test": str(finding.heard) if finding.heard else None,
                "test_details": finding.details or None,
            }
            for finding in outcome.findings
        ],
        "elsewhere": [plain_webhook(webhook) for webhook in outcome.elsewhere],
        "missed": outcome.missed,
        "missed_since": moment(outcome.missed_since_us) or None,
    }


def print_removed(output: Output, outcome: Removed, *, dry_run: bool) -> None:
    """What was deleted, and what was left."""
    output.say(f"{len(outcome.removed)} webhooks {'would be' if dry_run else 'are'} deleted.", style="bold")
    if outcome.left:
        output.say(
            f"{len(outcome.left)} at other addresses are left ({_bases(outcome.left)}); "
            "--everywhere deletes them, too."
        )


def plain_removed(outcome: Removed, *, dry_run: bool) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "dry_run": dry_run,
        "removed": [plain_webhook(webhook) for webhook in outcome.removed],
        "left": [plain_webhook(webhook) for webhook in outcome.left],
    }


def print_replayed(output: Output, outcome: Replayed) -> None:
    """What was published again."""
    rows = [
        (table.table, table.records, "whole" if table.whole else "changed", table.problem)
        for table in outcome.tables
    ]
    if rows:
        output.table(("table", "records", "read", "problem"), rows)
    failed = outcome.failed
    output.say(
        f"Since {moment(outcome.since_us)}: {failed.published:,} failed deliveries taken from Productive's "
        f"log, {sum(table.records for table in outcome.tables):,} records read again, "
        f"{outcome.deletions.records if outcome.deletions else 0:,} deletions.",
        style="bold",
    )
    for what, problem in _problems(outcome):
        output.say(f"{what}: {problem}", style="yellow")


def plain_replayed(outcome: Replayed) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "since": moment(outcome.since_us),
        "run_id": outcome.run_id,
        "complete": outcome.complete,
        "failed_deliveries": outcome.failed,
        "tables": list(outcome.tables),
        "deletions": outcome.deletions,
    }


def plain_webhook(webhook: Webhook) -> dict[str, Any]:
    """A webhook without its token."""
    return {
        "id": webhook.id,
        "event_id": webhook.event_id,
        "url": webhook.target_url,
        "state": str(webhook.state),
        "switched_off": moment(webhook.off_us) or None,
    }


def _plain_ensured(one: Ensured, *, dry_run: bool) -> dict[str, Any]:
    return {
        "event": one.event.name,
        "event_id": one.event.id,
        "found": str(one.did),
        "done": _done(one, dry_run=dry_run) or None,
        "webhook_id": one.webhook.id if one.webhook else None,
        "removed": [webhook.id for webhook in one.removed],
    }


def _changed(events: Sequence[Ensured]) -> list[Ensured]:
    return [one for one in events if one.did is not Did.NOTHING or one.removed]


def _done(one: Ensured, *, dry_run: bool) -> str:
    done = []
    if one.did.made_one:
        done.append("made")
    elif one.did is Did.TOKEN_READ:
        done.append("token read")
    if one.removed:
        done.append(f"{len(one.removed)} old deleted")
    text = ", ".join(done)
    return f"would be: {text}" if text and dry_run else text


def _since(one: Listed) -> str:
    return moment(one.webhook.created_us) or moment(one.since_us)


def _failure(one: Listed) -> str:
    if one.webhook.off_us is not None:
        return f"switched off {moment(one.webhook.off_us)}"
    last = one.last_failure
    return f"{moment(last.sent_us)} ({last.status or 'no answer'})" if last else ""


def _print_elsewhere(output: Output, elsewhere: Sequence[Webhook], *, replaced: bool) -> None:
    if not elsewhere:
        return
    bases = _bases(elsewhere)
    if replaced:
        output.say(f"{len(elsewhere)} webhooks at other addresses are deleted ({bases}).")
    else:
        output.say(
            f"{len(elsewhere)} webhooks of the same kind go to other addresses ({bases}). If these are old "
            "ones, `register --replace` deletes them.",
            style="yellow",
        )


def _bases(webhooks: Sequence[Webhook]) -> str:
    return ", ".join(sorted({webhook.place.base for webhook in webhooks if webhook.place}))


def _details(findings: Sequence[Finding], heard: Heard) -> str:
    return next((finding.details for finding in findings if finding.heard is heard), "")


def _problems(outcome: Replayed) -> Iterator[tuple[str, str]]:
    if outcome.failed.problem:
        yield "Productive's log of deliveries could not be read", outcome.failed.problem
    if outcome.failed.unreadable:
        yield "entries of the log without a payload", f"{outcome.failed.unreadable:,}"
    for table in outcome.tables:
        if table.problem:
            yield f"{table.table} could not be read", table.problem
        if table.rejected:
            yield f"{table.table}: in the dead letters", f"{table.rejected:,} records that are no records"
    if outcome.deletions and outcome.deletions.problem:
        yield "the recycle bin could not be read", outcome.deletions.problem
