"""Probes and compresses videos with the ffmpeg binary of a wheel."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from domain.errors import Fault

PROBE_DEADLINE_S: Final = 20.0
STOP_DEADLINE_S: Final = 5.0
ERROR_CHARS: Final = 500

# Without an allow list, ffmpeg follows a playlist to other files of the machine, and reads pictures and texts too.
CONTAINERS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf"
_INPUT: Final = ("-protocol_whitelist", "file", "-format_whitelist", CONTAINERS)
_DURATION: Final = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")


class NotAVideo(Exception):
    """ffmpeg cannot read the file as a video. A retry does not help."""


class CompressionFault(Fault):
    """ffmpeg failed on a file that it can read."""


class Ffmpeg:
    """`command_prefix` wraps the command, so that ffmpeg dies with the process that starts it."""

    def __init__(self, command_prefix: Sequence[str] = ()) -> None:
        self._prefix = tuple(command_prefix)

    def duration_s(self, video: Path) -> float:
        """Return the length. Raises NotAVideo if the first frame cannot be decoded or the length is unknown."""
        command = [*_command(), "-nostdin", *_INPUT, "-i", str(video)]
        command += ["-map", "0:v:0", "-frames:v", "1", "-f", "null", "-"]
        try:
            probe = subprocess.run(command, capture_output=True, timeout=PROBE_DEADLINE_S, check=False)  # noqa: S603 - no shell
        except subprocess.TimeoutExpired:
            raise NotAVideo("reading it takes too long") from None
        found = _DURATION.search(probe.stderr.decode(errors="replace"))
        if probe.returncode or found is None:
            raise NotAVideo("ffmpeg finds no video in it")
        hours, minutes, seconds = found.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)

    def compress(self, video: Path, into: Path, progress: Callable[[int], None]) -> None:
        """Write an MP4 (H.264, at most 720 lines). Raises NotAVideo as `duration_s` does, or CompressionFault: retry.

        `progress` is called with a percentage twice a second. If it raises, the compression stops and this raises too.
        """
        duration = self.duration_s(video)
        command = [*self._prefix, *_command(), "-nostdin", "-y", "-v", "error", "-progress", "pipe:1", "-nostats"]
        command += [*_INPUT, "-i", str(video), "-map", "0:v:0", "-map", "0:a:0?", "-threads", "1"]
        command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "28", "-pix_fmt", "yuv420p"]
        command += ["-vf", "scale=-2:'2*trunc(min(720,ih)/2)'", "-c:a", "aac", "-b:a", "96k"]
        command += ["-movflags", "+faststart", "-f", "mp4", str(into)]
        # Errors go to a file: a pipe that is not read while we follow stdout would fill up and block ffmpeg.
        with (
            TemporaryFile() as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,  # noqa: S603 - no shell
        ):
            try:
                _follow(process.stdout, duration, progress)
                code = process.wait(STOP_DEADLINE_S)
            finally:
                # Also after an error of `progress`: Popen's own exit would wait for the whole compression.
                process.kill()
            errors.seek(0)
            output = errors.read().decode(errors="replace")
        if code:
            raise CompressionFault(f"ffmpeg exited with {code}: {output[-ERROR_CHARS:]}")


def _follow(lines: IO[str] | None, duration: float, progress: Callable[[int], None]) -> None:
    for line in lines or ():
        name, _, value = line.strip().partition("=")
        if name == "out_time_us" and value.isdigit() and duration:
            progress(min(99, int(int(value) / (duration * 10_000))))


def _command() -> list[str]:
    from imageio_ffmpeg import get_ffmpeg_exe  # noqa: PLC0415 - it searches for the binary at import

    return [get_ffmpeg_exe(), "-hide_banner"]
