"""The ffmpeg of the wheel: the files that it accepts as videos, and its compression."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from adapters.ffmpeg import COMPRESSION_LIMITS, ENVIRONMENT, PROBE_LIMITS, CompressionFault, Ffmpeg, NotAVideo
from adapters.limited_process import Limits
from adapters.storage import Storage, StorageFault
from tests.support.estate import make_video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "video", seconds=2)


def picture(file: Path) -> None:
    command = [get_ffmpeg_exe(), "-y", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1"]
    subprocess.run([*command, "-f", "image2", "-c:v", "png", str(file)], check=True, timeout=30)  # noqa: S603 - the wheel's ffmpeg


def test_a_compressed_video_is_smaller_and_as_long(video: Path, tmp_path: Path) -> None:
    percents: list[int] = []

    Ffmpeg().compress(video, tmp_path / "small.mp4", percents.append)

    assert (tmp_path / "small.mp4").stat().st_size < video.stat().st_size
    assert Ffmpeg().duration_s(tmp_path / "small.mp4") == pytest.approx(2.0, abs=0.2)
    assert percents == sorted(percents) != []
    assert list(tmp_path.iterdir()) == [tmp_path / "small.mp4"]


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file with a picture of 24 million pixels."""
    file = tmp_path_factory.mktemp("huge") / "huge"
    command = [get_ffmpeg_exe(), "-y", "-v", "error", "-f", "lavfi", "-i", "color=size=6000x4000:rate=1"]
    subprocess.run([*command, "-frames:v", "1", "-c:v", "ffv1", "-f", "matroska", str(file)], check=True, timeout=60)  # noqa: S603 - as above
    return file


def test_a_small_file_with_a_huge_picture_is_refused_before_it_is_decoded(huge: Path) -> None:
    assert huge.stat().st_size < 1_000_000

    with pytest.raises(NotAVideo, match="more than 9437184 pixels"):
        Ffmpeg().duration_s(huge)


def test_a_picture_of_four_thousand_lines_is_within_the_limits(tmp_path: Path) -> None:
    assert Ffmpeg().duration_s(make_video(tmp_path / "video", seconds=1, size="4096x2304")) == pytest.approx(1.0)


def test_a_video_that_says_it_is_too_long_is_refused(tmp_path: Path) -> None:
    command = [get_ffmpeg_exe(), "-y", "-v", "error", "-f", "lavfi", "-i", "color=size=16x16:rate=1/60:duration=3720"]
    subprocess.run([*command, "-c:v", "mpeg4", "-f", "avi", str(tmp_path / "long")], check=True, timeout=30)  # noqa: S603 - as above

    with pytest.raises(NotAVideo, match="longer than 3600 s"):
        Ffmpeg().duration_s(tmp_path / "long")


@pytest.mark.parametrize(
    ("limits", "program", "end"),
    [
        (replace(PROBE_LIMITS, cpu_s=1), "while True: pass", -signal.SIGXCPU),
        (PROBE_LIMITS, "bytearray(1 << 30)", 1),
        (PROBE_LIMITS, "import os; os.write(os.open('file', os.O_CREAT | os.O_WRONLY), b'x')", 1),
        (PROBE_LIMITS, "import os; assert 'SECRET' not in os.environ; assert os.nice(0) >= 10", 0),
    ],
    ids=["processor time", "memory", "output", "environment"],
)
def test_a_decoder_that_runs_wild_is_stopped(limits: Limits, program: str, end: int, tmp_path: Path) -> None:
    command = [*limits.command_prefix(), sys.executable, "-I", "-S", "-c", program]

    done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, timeout=60, check=False, capture_output=True)  # noqa: S603 - as above

    assert done.returncode == end, done.stderr


def test_ffmpeg_runs_with_the_limits_and_without_our_environment(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINSAGA_KAFKA_PASSWORD", "k3y")
    seen: list[str] = []

    def look(_percent: int) -> None:
        for folder in Path("/proc/self/task").glob("*/children"):
            for pid in folder.read_text().split():
                process = Path("/proc") / pid
                seen.append((process / "environ").read_text() + (process / "limits").read_text())

    Ffmpeg().compress(video, tmp_path / "small.mp4", look)

    assert seen
    assert all("k3y" not in each for each in seen)
    assert any(f"{COMPRESSION_LIMITS.memory_bytes}" in each for each in seen)


def test_a_compression_that_takes_too_much_processor_time_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(NotAVideo, match="more than 1 s of processor time"):
        Ffmpeg(cpu_s=1).compress(
            make_video(tmp_path / "long", seconds=8, size="1280x720"), tmp_path / "o", lambda _: None
        )


def test_a_playlist_does_not_lead_to_another_file(video: Path, tmp_path: Path) -> None:
    (tmp_path / "concat").write_text(f"ffconcat version 1.0\nfile '{video}'\n")
    (tmp_path / "hls").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{video}\n#EXT-X-ENDLIST\n")

    for name in ("concat", "hls"):
        with pytest.raises(NotAVideo):
            Ffmpeg().duration_s(tmp_path / name)


def test_pictures_texts_and_empty_files_are_not_videos(tmp_path: Path) -> None:
    picture(tmp_path / "picture")
    (tmp_path / "text").write_text("hello\n" * 100)
    (tmp_path / "nothing").touch()

    for name in ("picture", "text", "nothing", "not there"):
        with pytest.raises(NotAVideo):
            Ffmpeg().duration_s(tmp_path / name)


def test_an_error_of_the_progress_callback_stops_the_compression(video: Path, tmp_path: Path) -> None:
    def stop(_percent: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        Ffmpeg().compress(video, tmp_path / "small.mp4", stop)


def test_an_unwritable_target_is_a_fault(video: Path, tmp_path: Path) -> None:
    into = tmp_path / "small.mp4"
    into.mkdir()

    with pytest.raises(CompressionFault):
        Ffmpeg().compress(video, into, lambda _: None)


def test_the_storage_is_any_file_system_of_fsspec(video: Path, tmp_path: Path) -> None:
    assert Storage("memory://videos").store(video, "v.mp4") == "memory:///videos/v.mp4"
    assert Storage(f"file://{tmp_path}/new").store(video, "v.mp4") == f"file://{tmp_path}/new/v.mp4"
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["v.mp4"]


def test_a_storage_that_rejects_the_file_is_a_fault(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageFault):
        Storage(f"file://{tmp_path}/file").store(video, "v.mp4")
