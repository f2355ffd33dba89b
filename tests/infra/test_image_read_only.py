"""With all stores on Google Cloud the services need no file system that they can write to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.build_image.dockerfile import read_dockerfile
from tests.e2e.cloud import in_the_cloud
from tests.e2e.harness import REPOSITORY, Ended, Home, Started
from tests.google.bigquery_place import BigqueryPlace, bigquery_emulator, bigquery_place

__all__ = ["bigquery_emulator", "bigquery_place"]

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux can take so much away from a process"),
]


class ReadOnlyHome(Home):
    """Commands as in the image: its variables, and nowhere to write; not even its home or /tmp."""

    def environment(self) -> dict[str, str]:
        image = read_dockerfile((REPOSITORY / "Dockerfile").read_text(encoding="utf-8"))[-1].pairs("ENV")
        del image["PATH"], image["RECEIVER_HOST"]
        nowhere = {"HOME": str(self.folder), "TMPDIR": str(self.folder)}
        ours = {name: value for name, value in super().environment().items() if "COVERAGE" not in name}
        return {**ours, **image, **nowhere}

    def run(self, *arguments: str, module: str = "services.cli", patience: float = 120.0) -> Ended:
        return super().run("-m", module, *arguments, module="tests.infra.confined", patience=patience)

    def start(self, *arguments: str, module: str = "services.cli") -> Started:
        return super().start("-m", module, *arguments, module="tests.infra.confined")

    def python(self, program: str) -> Ended:
        """What a program can do there."""
        return super().run("-c", program, module="tests.infra.confined")


@contextmanager
def read_only(home: Home) -> Iterator[ReadOnlyHome]:
    """The same installation with its folder read-only, while the body runs."""
    home.folder.chmod(0o555)
    try:
        yield ReadOnlyHome(home.folder, home.variables)
    finally:
        home.folder.chmod(0o755)


def test_where_they_are_tried_nothing_can_be_written(tmp_path: Path) -> None:
    writable = tmp_path / "writable"
    writable.mkdir()
    folder = tmp_path / "home"
    folder.mkdir()
    with read_only(Home(folder)) as home:
        assert "PermissionError" in home.python("open('here', 'w')").stderr
        assert "File too large" in home.python(f"open({str(writable / 'x')!r}, 'wb', 0).write(b'x')").stderr
        assert home.python("import tempfile; tempfile.TemporaryFile().write(b'x' * 100_000)").code != 0


async def test_crawl_receiver_and_writer_do_their_work_without_writing_to_any_file(
    tmp_path: Path, bigquery_place: BigqueryPlace
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    async with in_the_cloud(folder, bigquery_place, people=3) as cloud:
        live = cloud.live
        with read_only(live.home) as home:
            live.home = home
            before = sorted(folder.rglob("*"))
            (await live.run("backfill")).ok()
            async with live.running("serve") as serving:
                (await live.run("webhooks", "register", "--url", live.url)).ok()
                live.load.step(30)
                async with asyncio.timeout(60):
                    await live.sandbox.webhooks.idle()
                    while cloud.unacked("deliveries"):  # noqa: ASYNC110 -- the stand-in tells nobody
                        await asyncio.sleep(0.05)
                await live.stop(serving)
            (await live.run("writer", "--drain")).ok()
            assert not cloud.unacked("records")
            await cloud.assert_equal()
            assert sorted(folder.rglob("*")) == before
