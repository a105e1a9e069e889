"""A client that goes away in the middle of an upload leaves neither a file nor an error."""

import socket
from pathlib import Path

from tests.integration.api.test_headers import connected, with_key
from tests.integration.api.test_serve_api import running_api
from tests.support.waiting import eventually

HEAD = b"POST /videos HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=sep\r\n"
PART = b'--sep\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
CHUNK = b"x" * 65_536
RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER with a time of 0: closing sends a reset."""


def test_an_aborted_upload_leaves_neither_a_file_nor_an_error(tmp_path: Path) -> None:
    videos, log = tmp_path / "videos", tmp_path / "api.log"
    with running_api(tmp_path) as api:
        for reset in (False, True):
            with connected(api) as client:
                client.sendall(with_key(HEAD, api) + b"Content-Length: 200000000\r\n\r\n" + PART)
                for _ in range(100):
                    client.sendall(CHUNK)
                eventually(lambda: any(each.stat().st_size for each in videos.glob("*")), "the file arrives")
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            eventually(lambda: not list(videos.iterdir()), "the file is removed")
    assert "Traceback" not in log.read_text()
