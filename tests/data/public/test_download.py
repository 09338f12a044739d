import socket
from pathlib import Path

import pytest

from potentials.data.public.download import DownloadError, download
from potentials.errors import DataError

CONTENT = bytes(range(256)) * 4000  # a megabyte: several pieces


@pytest.fixture
def url(server):
    server.files["file"] = CONTENT
    return server.url("file")


def ignore(done, total):
    pass


def test_a_whole_file(url, tmp_path):
    seen = []
    download(url, tmp_path / "file", lambda done, total: seen.append((done, total)))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 1
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_what_was_cut_off_is_continued(server, url, tmp_path):
    server.breaks_off_after = 300_000
    with pytest.raises(DownloadError, match=r"(closed|connection lost).*run the same command to resume"):
        download(url, tmp_path / "file", ignore)
    assert (tmp_path / "file").read_bytes() == CONTENT[:300_000]
    server.breaks_off_after = None
    seen = []
    download(url, tmp_path / "file", lambda done, total: seen.append((done, total)))
    assert server.requests == [("file", None), ("file", "bytes=300000-")]
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert seen[0][0] > 300_000
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_server_without_ranges_starts_anew(server, url, tmp_path):
    server.knows_ranges = False
    (tmp_path / "file").write_bytes(b"another beginning")
    download(url, tmp_path / "file", ignore)
    assert server.requests == [("file", "bytes=17-")]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_whole_file_is_not_sent_again(server, url, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    download(url, tmp_path / "file", ignore)
    assert len(server.requests) == 1
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_file_that_is_too_long_is_downloaded_anew(server, url, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT + b"and more")
    download(url, tmp_path / "file", ignore)
    assert [asked for _, asked in server.requests] == [f"bytes={len(CONTENT) + 8}-", None]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_another_range_than_asked_for_is_refused(server, url, tmp_path):
    server.shift = 5
    (tmp_path / "file").write_bytes(CONTENT[:100])
    with pytest.raises(DownloadError, match="expected bytes from 100 on, got status 206"):
        download(url, tmp_path / "file", ignore)
    assert (tmp_path / "file").read_bytes() == CONTENT[:100]


def test_a_missing_file(server, tmp_path):
    with pytest.raises(DownloadError, match="/nothing: the server returned 404"):
        download(server.url("nothing"), tmp_path / "file", ignore)
    assert not (tmp_path / "file").exists()


def test_nobody_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # not listening
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file"
        with pytest.raises(DownloadError, match=rf"cannot reach {url}: .*refused"):
            download(url, tmp_path / "file", ignore)


def test_a_folder_that_is_none(url, tmp_path):
    (tmp_path / "plain").write_text("no folder")
    with pytest.raises(DataError, match=r"cannot write .*plain/file: Not a directory"):
        download(url, tmp_path / "plain" / "file", ignore)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk(url):
    with pytest.raises(DataError, match="cannot write /dev/full: No space left"):
        download(url, Path("/dev/full"), ignore)
