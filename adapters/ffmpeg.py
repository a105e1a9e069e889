"""Probes and compresses videos with the ffmpeg binary of a wheel.

The files come from outside, and decoders of videos have bugs. So ffmpeg does not get our environment, which contains
secrets, and its memory, processor time and output are limited.
"""

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from adapters.limited_process import Limits
from messaging.errors import Fault

MAX_PIXELS: Final = 4096 * 2304
"""Of one picture. A small file can contain a picture that takes gigabytes when it is decoded."""
MAX_DURATION_S: Final = 3600
MIB: Final = 1024 * 1024
PROBE_LIMITS: Final = Limits(memory_bytes=512 * MIB, cpu_s=5, file_bytes=0)
"""One picture of MAX_PIXELS takes about 120 MiB; the rest is address space of threads that they do not use."""
COMPRESSION_LIMITS: Final = Limits(memory_bytes=1024 * MIB, cpu_s=1800, file_bytes=1024 * MIB)
ENVIRONMENT: Final = {"PATH": os.defpath}

STOPPED_BY_SIGNAL: Final = 255
"""ffmpeg ends in order on SIGXCPU, the end of its processor time. No other signal is sent to it but SIGKILL."""
PROBE_DEADLINE_S: Final = 20.0
STOP_DEADLINE_S: Final = 5.0
ERROR_CHARS: Final = 500

# Without an allow list, ffmpeg follows a playlist to other files of the machine, and reads pictures and texts too.
CONTAINERS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf"
_INPUT: Final = ("-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-max_pixels", str(MAX_PIXELS))
_ONE_THREAD: Final = ("-threads", "1")
_TOO_MANY_PIXELS: Final = b"exceeds specified max pixel count"
_DURATION: Final = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")


class NotAVideo(Exception):
    """ffmpeg cannot read the file as a video, or it is above a limit. A retry does not help."""


class CompressionFault(Fault):
    """ffmpeg failed on a file that it can read."""


class Ffmpeg:
    """`command_prefix` wraps the command, so that ffmpeg dies with the process that starts it.

    `cpu_s`: the processor time that a compression may take.
    """

    def __init__(self, command_prefix: Sequence[str] = (), cpu_s: int = COMPRESSION_LIMITS.cpu_s) -> None:
        self._prefix = tuple(command_prefix)
        self._compression = replace(COMPRESSION_LIMITS, cpu_s=cpu_s)

    def duration_s(self, video: Path) -> float:
        """Return the length. Raises NotAVideo: the first frame cannot be decoded, no length, or above a limit."""
        command = [*PROBE_LIMITS.command_prefix(), *_command(), "-nostdin", *_ONE_THREAD, *_INPUT, "-i", str(video)]
        command += ["-map", "0:v:0", "-frames:v", "1", *_ONE_THREAD, "-f", "null", "-"]
        try:
            probe = subprocess.run(  # noqa: S603 - no shell
                command, capture_output=True, timeout=PROBE_DEADLINE_S, check=False, env=ENVIRONMENT
            )
        except subprocess.TimeoutExpired:
            raise NotAVideo("reading it takes too long") from None
        if _TOO_MANY_PIXELS in probe.stderr:
            raise NotAVideo(f"its picture has more than {MAX_PIXELS} pixels")
        found = _DURATION.search(probe.stderr.decode(errors="replace"))
        if probe.returncode or found is None:
            raise NotAVideo("ffmpeg finds no video in it")
        hours, minutes, seconds = found.groups()
        duration = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        if duration > MAX_DURATION_S:
            raise NotAVideo(f"it is longer than {MAX_DURATION_S} s")
        return duration

    def compress(self, video: Path, into: Path, progress: Callable[[int], None]) -> None:
        """Write an MP4 (H.264, at most 720 lines). Raises NotAVideo as `duration_s` does, or CompressionFault: retry.

        `progress` is called with a percentage twice a second. If it raises, the compression stops and this raises too.
        """
        duration = self.duration_s(video)
        command = [*self._prefix, *self._compression.command_prefix(), *_command(), "-nostdin", "-y", "-v", "error"]
        command += ["-progress", "pipe:1", "-nostats", *_ONE_THREAD, *_INPUT, "-i", str(video)]
        # The file's own word on its length may be wrong.
        command += ["-map", "0:v:0", "-map", "0:a:0?", *_ONE_THREAD, "-t", str(MAX_DURATION_S)]
        command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "28", "-pix_fmt", "yuv420p"]
        command += ["-vf", "scale=-2:'2*trunc(min(720,ih)/2)'", "-c:a", "aac", "-b:a", "96k"]
        command += ["-movflags", "+faststart", "-f", "mp4", str(into)]
        # Errors go to a file: a pipe that is not read while we follow stdout would fill up and block ffmpeg.
        with (
            TemporaryFile() as errors,
            subprocess.Popen(  # noqa: S603 - no shell
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=ENVIRONMENT
            ) as process,
        ):
            try:
                _follow(process.stdout, duration, progress)
                code = process.wait(STOP_DEADLINE_S)
            finally:
                # Also after an error of `progress`: Popen's own exit would wait for the whole compression.
                process.kill()
            errors.seek(0)
            output = errors.read().decode(errors="replace")
        if code == STOPPED_BY_SIGNAL:
            raise NotAVideo(f"compressing it takes more than {self._compression.cpu_s} s of processor time")
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
