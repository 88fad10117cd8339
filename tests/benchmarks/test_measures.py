"""Each measurement, at a small size, with real servers; and the mistakes that must end it."""

from dataclasses import replace

import pytest

from benchmarks import load
from benchmarks.__main__ import started
from benchmarks.bars import IN_MEMORY, SIDE_BY_SIDE
from benchmarks.measures import MEASURES, QUICK, SMALL_BYTES, Material, memory
from benchmarks.targets import Target, everybody, given

SCALE = replace(QUICK, large=1, huge=2, first_bytes=2, kept=3, present=50)
WAYS = ("nginx alone", "rclone", "seaweedfs", "raw, straight", "public, through nginx")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material.make(tmp_path_factory.mktemp("material"), SCALE)


@pytest.mark.parametrize("section", SIDE_BY_SIDE, ids=lambda section: section.name)
@pytest.mark.parametrize("way", [pytest.param(way, marks=[] if "," in way else pytest.mark.ci) for way in WAYS])
def test_every_section_is_measured(ways, material, section, way: str) -> None:
    sample = MEASURES[section.name](ways[way], material)
    assert sample.value > 0
    assert (sample.cpu is None) is (section.cpu_unit == "")


def test_memory_is_measured(programs: None, material, tmp_path) -> None:
    target = everybody(tmp_path, [])["raw, straight"]
    with started([target]):
        samples = memory(target, material)
    assert set(samples) == {section.name for section in IN_MEMORY}
    assert samples["memory-idle"].value > 10  # Python alone takes that


def test_server_that_was_not_started_here_has_no_cpu_time(ways, material) -> None:
    peer = given(f"other=http://127.0.0.1:{ways['nginx alone'].port}/other")
    sample = MEASURES["large-up"](peer, material)
    assert (sample.value > 0, sample.cpu) == (True, None)


def test_refused_uploads_end_the_run(ways) -> None:
    stranger = Target("stranger", ways["raw, straight"].port, root="/files/upload-direct/private")  # has no login
    with pytest.raises(RuntimeError, match=r"stranger answered \d+ requests, and refused or dropped [1-9]"):
        load.put_new(stranger, "refused", size=SMALL_BYTES, clients=1, seconds=1, first=1)
    with pytest.raises(RuntimeError, match=r"(?s)stranger did not take 5 objects.*refused 401"):
        load.fill(stranger, "refused", size=SMALL_BYTES, clients=1, count=5)


def test_lost_upload_ends_the_run(ways, material) -> None:
    peer = given(f"lossy=http://127.0.0.1:{ways['nginx alone'].port}/lossy")
    lossy = Lossy(peer.name, peer.port, root=peer.root)
    with pytest.raises(RuntimeError, match=r"lossy answered GET \S+ with 404"):
        MEASURES["small-up"](lossy, material)


class Lossy(Target):
    """A server that answers uploads with success and stores them elsewhere."""

    def get(self, key: str):
        return super().get(f"{key}-lost")


def test_download_of_another_size_ends_the_run(ways) -> None:
    target = ways["nginx alone"]
    target.ask(target.put("measures/size"), b"0123456789")
    with pytest.raises(RuntimeError, match="sent 10 bytes of measures/size, not 9"):
        load.download(target, "measures/size", 9)
