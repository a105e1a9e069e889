import sys

import pytest

from adapters.storage import Storage, StorageNotInstalled
from processes.video_worker import refuse_missing_storage
from runtime.errors import CannotRun
from runtime.settings import Settings


def test_a_bucket_without_the_package_for_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)

    with pytest.raises(CannotRun, match=r"s3://.*twinsaga\[s3\]"):
        refuse_missing_storage(Settings(storage_url="s3://bucket/videos"))


def test_a_protocol_that_nobody_knows_is_refused() -> None:
    with pytest.raises(StorageNotInstalled, match="nowhere://"):
        Storage("nowhere://videos").must_be_installed()


@pytest.mark.parametrize("url", ["file:///srv/videos", "memory://videos"])
def test_what_comes_with_the_program_is_not_refused(url: str) -> None:
    Storage(url).must_be_installed()
