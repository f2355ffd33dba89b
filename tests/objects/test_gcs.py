"""Objects in a bucket, when the bucket, the network or the rights are not as they should be."""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.clock import ManualClock
from shared.errors import ConfigError, StorageError, UnreachableError
from shared.google.retrying import Patience
from shared.objects import Objects
from shared.objects.gcs import bucket as requests
from shared.objects.gcs.adapter import GcsObjects
from shared.objects.gcs.connect import connect
from shared.record.codec import BatchCodec
from shared.record.model import Record, RecordBatch, Source, Version
from tests.google.storage_faults import Cut, Damage, Fault, Faults, Hang, Meanwhile, Refuse, storage_faults
from tests.google.storage_server import new_bucket

BUSY = Refuse(429, "The object exceeded the rate limit for object mutation operations", "rateLimitExceeded")
UNAVAILABLE = Refuse(503, "Backend Error", "backendError")


@pytest.fixture
async def faults(storage_url: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Faults]:
    async with storage_faults(storage_url) as faults:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", faults.url)
        yield faults


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def objects(faults: Faults, bucket: str, clock: ManualClock) -> AsyncIterator[GcsObjects]:
    objects = await connect(f"gs://{bucket}/ingest", clock=clock)
    faults.requests.clear()
    yield objects
    await objects.close()


@pytest.fixture
async def others(storage_url: str, bucket: str, objects: GcsObjects) -> AsyncIterator[Objects]:
    """The same objects for somebody whose network is well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", storage_url)
        others = await connect(f"gs://{bucket}/ingest", clock=ManualClock())
    yield others
    await others.close()


async def content(objects: Objects, name: str) -> bytes | None:
    stored = await objects.read(name)
    return stored.data if stored else None


# What goes away by itself


TROUBLES = [Refuse(500), Refuse(502), UNAVAILABLE, BUSY, Cut(), Cut(after=True)]


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
async def test_every_call_is_made_again_until_it_succeeds(
    objects: GcsObjects, faults: Faults, trouble: Fault
) -> None:
    async def troubled(times: int) -> None:
        faults.coming.extend([trouble] * times)

    await troubled(2)
    generation = await objects.write("a", b"1")
    await troubled(3)
    stored = await objects.read("a")
    assert stored is not None
    assert stored.data == b"1"
    generation = stored.generation
    await troubled(2)
    changed = await objects.compare_and_set("a", b"2", generation)
    assert changed is not None
    await troubled(1)
    assert await objects.list() == ["a"]
    await troubled(1)
    assert await objects.delete("a") is True
    assert await objects.list() == []


async def test_trying_again_waits_longer_each_time_and_after_a_refusal_for_coming_too_often_a_second(
    objects: GcsObjects, faults: Faults, clock: ManualClock
) -> None:
    faults.coming.extend([BUSY, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE])
    await objects.write("a", b"1")
    assert clock.slept[0] > 1.0
    assert clock.slept[1:] == sorted(clock.slept[1:])


async def test_what_does_not_go_away_ends_as_unreachable(objects: GcsObjects, faults: Faults) -> None:
    faults.coming.extend([UNAVAILABLE] * 100)
    with pytest.raises(UnreachableError, match=r"gs://test-.*Cloud Storage does not answer"):
        await objects.read("a")
    assert len(faults.requests) == Patience().attempts


async def test_an_answer_that_never_comes_is_not_waited_for(
    objects: GcsObjects, faults: Faults, bucket: str
) -> None:
    hanging = [Hang(), Hang()]
    impatient = GcsObjects(bucket, "ingest", clock=ManualClock(), patience=Patience(attempts=2, attempt=0.2))
    await impatient.open()
    faults.coming.extend(hanging)
    with pytest.raises(UnreachableError):
        await impatient.write("a", b"1")
    for hang in hanging:
        hang.until.set()
    await impatient.close()
    assert await content(objects, "a") == b"1"


async def test_hanging_calls_take_no_more_than_their_threads(faults: Faults, bucket: str) -> None:
    until = asyncio.Event()
    objects = GcsObjects(bucket, "", clock=ManualClock(), patience=Patience(attempts=1, attempt=0.2))
    await objects.open()
    faults.requests.clear()
    faults.coming.extend([Hang(until)] * 20)
    outcomes = await asyncio.gather(*(objects.read("a") for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {UnreachableError}
    assert len(faults.requests) == 8
    until.set()
    faults.coming.clear()
    await objects.close()


async def test_what_comes_damaged_is_asked_for_again(objects: GcsObjects, faults: Faults) -> None:
    await objects.write("a", b"precious")
    faults.coming.append(Damage())
    assert await content(objects, "a") == b"precious"
    assert len(faults.requests) == 3


# Conditional writes whose answer is lost


@pytest.mark.parametrize("exists", [True, False], ids=["changing", "creating"])
async def test_a_conditional_write_that_was_carried_out_unanswered_is_known_as_our_own(
    objects: GcsObjects, faults: Faults, exists: bool
) -> None:
    expected = await objects.write("a", b"1") if exists else None
    faults.coming.append(Cut(after=True))
    generation = await objects.compare_and_set("a", b"2", expected)
    stored = await objects.read("a")
    assert stored is not None
    assert (stored.data, stored.generation) == (b"2", generation)


async def test_the_same_bytes_of_another_are_not_taken_for_our_own(
    objects: GcsObjects, others: Objects, faults: Faults
) -> None:
    generation = await objects.write("counter", b"1")
    faults.coming.append(Meanwhile(lambda: others.compare_and_set("counter", b"2", generation)))
    assert await objects.compare_and_set("counter", b"2", generation) is None


async def test_who_was_overwritten_before_looking_came_too_late(
    objects: GcsObjects, others: Objects, faults: Faults
) -> None:
    generation = await objects.write("a", b"1")
    faults.coming.extend([Cut(after=True), Meanwhile(lambda: others.write("a", b"theirs"), then=UNAVAILABLE)])
    assert await objects.compare_and_set("a", b"2", generation) is None
    assert await content(objects, "a") == b"theirs"


async def test_the_first_refusal_of_a_condition_needs_no_second_look(
    objects: GcsObjects, faults: Faults
) -> None:
    await objects.write("a", b"1")
    faults.requests.clear()
    assert await objects.compare_and_set("a", b"2", None) is None
    assert len(faults.requests) == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([None, None, *TROUBLES, Damage()]), max_size=30))
def test_counting_loses_and_doubles_nothing_whatever_happens(
    storage_url: str, monkeypatch: pytest.MonkeyPatch, coming: Sequence[Fault]
) -> None:
    async def count() -> None:
        async with storage_faults(storage_url) as faults:
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", faults.url)
            name = new_bucket(storage_url, f"test-{secrets.token_hex(6)}")
            patience = Patience(attempts=100, total=1e9)
            objects = GcsObjects(name, "", clock=ManualClock(), patience=patience)
            await objects.open()
            faults.coming.extend(coming)
            for number in range(1, 6):
                stored = await objects.read("counter")
                new = b"%d" % (int(stored.data) + 1 if stored else 1)
                assert await objects.compare_and_set("counter", new, stored.generation if stored else None)
                assert new == b"%d" % number
            await objects.close()

    asyncio.run(count())


# Rights, buckets, credentials


async def test_opening_looks_only_at_objects(faults: Faults, bucket: str) -> None:
    await (await connect(f"gs://{bucket}", clock=ManualClock())).close()
    assert faults.requests == [f"GET /storage/v1/b/{bucket}/o"]


async def test_a_bucket_that_is_not_there_comes_with_the_command_that_makes_it(faults: Faults) -> None:
    with pytest.raises(StorageError, match="there is no bucket nowhere") as caught:
        await connect("gs://nowhere", clock=ManualClock())
    assert "gcloud storage buckets create gs://nowhere" in caught.value.advice


async def test_a_bucket_that_went_away_is_not_an_object_that_is_none(
    objects: GcsObjects, faults: Faults
) -> None:
    gone = Refuse(404, "The specified bucket does not exist.", "notFound")
    for call in (
        lambda: objects.read("a"),
        lambda: objects.write("a", b"1"),
        lambda: objects.compare_and_set("a", b"1", None),
        lambda: objects.delete("a"),
        objects.list,
    ):
        faults.coming.append(gone)
        with pytest.raises(StorageError, match="there is no bucket"):
            await call()


async def test_a_missing_right_comes_with_the_command_that_gives_it(
    objects: GcsObjects, faults: Faults, bucket: str
) -> None:
    faults.coming.append(
        Refuse(
            403,
            "a@acme.iam.gserviceaccount.com does not have storage.objects.create access to the Google Cloud "
            "Storage object. Permission 'storage.objects.create' denied on resource (or it may not exist).",
            "forbidden",
        )
    )
    with pytest.raises(StorageError, match=r"the permission storage\.objects\.create is missing") as caught:
        await objects.write("a", b"1")
    assert f"gcloud storage buckets add-iam-policy-binding gs://{bucket}" in caught.value.advice
    assert "--role=roles/storage.objectUser" in caught.value.advice
    assert len(faults.requests) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Object 'acme/a' is subject to bucket's retention policy", "a retention policy forbids"),
        ("The project to be billed is associated with an absent billing account.", "absent billing account"),
    ],
)
async def test_other_refusals_are_not_taken_for_missing_rights(
    objects: GcsObjects, faults: Faults, words: str, told: str
) -> None:
    faults.coming.append(Refuse(403, words, "forbidden"))
    with pytest.raises(StorageError, match=told) as caught:
        await objects.write("a", b"1")
    assert "permission" not in caught.value.message
    assert caught.value.advice


async def test_missing_credentials_come_with_the_command_that_makes_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(StorageError) as caught:
        await connect("gs://acme-state", clock=ManualClock())
    assert "gcloud auth application-default login" in caught.value.advice


async def test_after_closing_nothing_is_sent(objects: GcsObjects, faults: Faults) -> None:
    await objects.close()
    with pytest.raises(StorageError, match="closed"):
        await objects.read("a")
    assert faults.requests == []


# Names and sizes


async def test_two_prefixes_of_one_bucket_do_not_see_each_other(objects: GcsObjects, bucket: str) -> None:
    await objects.write("a", b"1")
    whole = await connect(f"gs://{bucket}", clock=ManualClock())
    other = await connect(f"gs://{bucket}/ing", clock=ManualClock())
    assert await other.list() == []
    assert await other.read("est/a") is None
    assert await whole.list() == ["ingest/a"]
    await whole.close()
    await other.close()


async def test_somebody_elses_files_are_no_objects(objects: GcsObjects, bucket: str) -> None:
    def put() -> None:
        files = requests.Bucket(bucket)
        for name in ["ingest/", "ingest/folder/", "ingest/my notes.txt", "ingest/.hidden", "ingest/ours"]:
            files.write(name, b"", mark="a person")
        files.close()

    await asyncio.to_thread(put)
    assert await objects.list() == ["ours"]


async def test_a_long_list_comes_in_pages(
    objects: GcsObjects, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"seen/{number:03}" for number in range(25)]
    await asyncio.gather(*(objects.write(name, b"") for name in names))
    monkeypatch.setattr(requests, "PAGE", 10)
    faults.requests.clear()
    faults.coming.extend([None, Cut()])
    assert await objects.list("seen/") == names
    assert len(faults.requests) == 4


async def test_what_is_too_large_is_not_sent(objects: GcsObjects, faults: Faults) -> None:
    with pytest.raises(StorageError, match="the limit is 8,388,608"):
        await objects.compare_and_set("a", b"x" * (requests.LARGEST_CONDITIONAL_BYTES + 1), None)
    with pytest.raises(StorageError, match="the limit is 68,157,440"):
        await objects.write("a", bytes(requests.LARGEST_BYTES + 1))
    assert faults.requests == []


async def test_a_large_object_is_written_whole_although_it_takes_several_requests(
    objects: GcsObjects, faults: Faults
) -> None:
    data = secrets.token_bytes(9_000_000)
    faults.coming.extend([None, Cut()])
    generation = await objects.write("claims/a", data)
    stored = await objects.read("claims/a")
    assert stored is not None
    assert (stored.data, stored.generation) == (data, generation)
    assert len(faults.requests) > 3


async def test_an_object_that_is_none_of_ours_does_not_fill_the_memory(
    objects: GcsObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    await objects.write("a", b"x" * 5_000)
    monkeypatch.setattr(requests, "LARGEST_BYTES", 4_999)
    with pytest.raises(StorageError, match="larger than 4,999 bytes"):
        await objects.read("a")


@pytest.mark.parametrize(
    "url",
    [
        "gs:",
        "gs://",
        "gs:///prefix",
        "gs://Acme",
        "gs://a",
        "gs://acme_data-",
        "gs://acme/a b",
        "gs://acme/a//b",
        "gs://acme/../b",
        "gs://acme/p?x=1",
        "gs://me:secret@acme/p",
        f"gs://acme/{'a' * 501}",
    ],
)
async def test_an_address_that_is_none_is_told_before_any_request(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await connect(url, clock=ManualClock())
    assert "secret" not in caught.value.message


# Claims


async def test_a_record_too_large_for_a_message_goes_through_the_bucket(objects: GcsObjects) -> None:
    text = b64encode(secrets.token_bytes(9_000_000)).decode()
    assert len(text) == 12_000_000
    record = Record("17", "upsert", Version(1, 2), {"note": text})
    batch = RecordBatch(
        table="deals", organization_id="42", source=Source.BACKFILL, run_id="r", records=[record]
    )
    codec = BatchCodec(objects, lambda: "claims/one")
    [message] = await codec.encode(batch)
    assert len(message.body) < 1_000
    decoded = await codec.decode(message)
    assert decoded.batch == batch
    assert decoded.claim == "claims/one"
    await codec.remove_claim("claims/one")
    assert await objects.list() == []
