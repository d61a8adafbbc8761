"""Links inside the clips' folder lead out of it: no file is served through one."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from lib_svd.ui.compat import FILES
from lib_svd.ui.standalone import StandalonePage

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # gradio's own


@pytest.fixture
def client(empty_studio, tmp_path):
    page = StandalonePage(tmp_path / "out")
    return TestClient(page.make_app(empty_studio), base_url="http://127.0.0.1:7870")


def test_clips_are_served_and_what_links_lead_to_is_not(client, tmp_path):
    clips, outside = tmp_path / "out", tmp_path / "outside"
    for folder in (clips, outside):
        folder.mkdir(exist_ok=True)
        (folder / "a.mp4").write_bytes(folder.name.encode())
    (clips / "link.mp4").symlink_to(outside / "a.mp4")
    (clips / "folder").symlink_to(outside)
    assert client.get(f"/{FILES}{quote(str(clips / 'a.mp4'))}").content == b"out"
    for name in ("link.mp4", "folder/a.mp4", "folder/../folder/a.mp4", "folder/none"):
        for ask in (FILES, FILES.replace("file=", "file/")):
            found = client.get(f"/{ask}{quote(str(clips))}/{name.replace('..', '%2e%2e')}")
            assert found.status_code in (403, 404), (ask, name)
            assert b"outside" not in found.content


def test_a_link_that_stays_in_the_clips_folder_is_no_way_out(client, tmp_path):
    clips = tmp_path / "out"
    clips.mkdir(exist_ok=True)
    (clips / "a.mp4").write_bytes(b"out")
    (clips / "b.mp4").symlink_to(clips / "a.mp4")
    assert client.get(f"/{FILES}{quote(str(clips / 'b.mp4'))}").content == b"out"
