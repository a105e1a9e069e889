"""The ffmpeg of the wheel: the files that it accepts as videos, and its compression."""

import subprocess
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from adapters.ffmpeg import CompressionFault, Ffmpeg, NotAVideo
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
