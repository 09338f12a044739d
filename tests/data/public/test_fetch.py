"""What is downloaded, what is kept, and what is written, with a server on this machine."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from published_files import extxyz, write_tar

from potentials.data.public.catalog import PublicDataSet, PublicFile
from potentials.data.public.checksums import Checksum
from potentials.data.public.convert import convert_botnet
from potentials.data.public.fetch import fetch
from potentials.data.read import read_frames
from potentials.errors import DataError


@pytest.fixture
def archive(tmp_path):
    return write_tar(
        tmp_path / "given.tar.gz", {"f/train.xyz": extxyz("COH", 3, -10.0), "f/test.xyz": extxyz("CO", 2, -7.0)}
    )


@pytest.fixture
def data_set(server, archive):
    content = archive.read_bytes()
    server.files["a.tar.gz"] = content
    checksum = Checksum("sha256", hashlib.sha256(content).hexdigest())
    return PublicDataSet(
        name="small",
        summary="five frames",
        files=(PublicFile("a.tar.gz", server.url("a.tar.gz"), checksum, len(content)),),
        convert=convert_botnet,
        source="https://example.org",
        license="CC0",
        citations=("A. Author, A title",),
        notes=("not periodic",),
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_download_becomes_files_and_a_card(data_set, server, cache, tmp_path):
    seen = []
    written = fetch(data_set, tmp_path / "data" / "small", report=lambda *arguments: seen.append(arguments))
    assert [(file.path.name, file.frames) for file in written] == [("train.extxyz", 3), ("test.extxyz", 2)]
    assert names(tmp_path / "data" / "small") == ["README.md", "test.extxyz", "train.extxyz"]
    assert [len(read_frames(str(file.path))) for file in written] == [3, 2]
    size = data_set.files[0].size
    assert seen[-1] == (data_set.files[0], size, size)
    card = (tmp_path / "data" / "small" / "README.md").read_text()
    for part in ("five frames", "CC0", "A. Author", data_set.files[0].checksum.digest, "| train.extxyz | 3 |"):
        assert part in card
    assert names(cache) == [f"{data_set.files[0].checksum.digest[:12]}-a.tar.gz"]


def test_a_second_call_uses_the_cache(data_set, server, cache, tmp_path):
    fetch(data_set, tmp_path / "one")
    server.files.clear()
    fetch(data_set, tmp_path / "two")
    assert len(server.requests) == 1
    assert names(tmp_path / "one") == names(tmp_path / "two")


def test_two_calls_at_once_download_once(data_set, server, cache, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(fetch, data_set, tmp_path / name) for name in ("one", "two")]
        assert [len(result.result()) for result in results] == [2, 2]
    assert len(server.requests) == 1


def test_a_damaged_cache_is_downloaded_again(data_set, server, cache, tmp_path):
    fetch(data_set, tmp_path / "one")
    (kept,) = cache.glob("*.gz")
    content = kept.read_bytes()
    kept.write_bytes(content[:-1] + b"x")
    fetch(data_set, tmp_path / "two")
    assert kept.read_bytes() == content
    assert server.requests == [("a.tar.gz", None)] * 2


def test_a_download_that_broke_off_is_continued(data_set, server, cache, tmp_path):
    server.breaks_off_after = 100
    with pytest.raises(DataError, match="closed after 100 of"):
        fetch(data_set, tmp_path / "one")
    assert not (tmp_path / "one").exists()
    assert [name.rpartition(".")[2] for name in names(cache)] == ["partial"]
    server.breaks_off_after = None
    fetch(data_set, tmp_path / "one")
    assert [asked for _, asked in server.requests] == [None, "bytes=100-"]
    assert [name.rpartition(".")[2] for name in names(cache)] == ["gz"]


def test_another_file_than_expected_is_not_kept(data_set, server, cache, tmp_path):
    server.files["a.tar.gz"] = b"something else"
    with pytest.raises(DataError) as caught:
        fetch(data_set, tmp_path / "one")
    assert f"expected sha256 {data_set.files[0].checksum.digest}" in str(caught.value)
    assert f"found {hashlib.sha256(b'something else').hexdigest()}" in str(caught.value)
    assert "--archive" in str(caught.value)
    assert names(cache) == []
    assert not (tmp_path / "one").exists()


def test_a_server_that_does_not_have_it(data_set, server, cache, tmp_path):
    server.files.clear()
    with pytest.raises(DataError, match=r"the server returned 404.*--archive"):
        fetch(data_set, tmp_path / "one")
    assert names(cache) == []


def test_a_file_given_is_not_downloaded(data_set, server, cache, archive, tmp_path):
    written = fetch(data_set, tmp_path / "one", [archive])
    assert [file.frames for file in written] == [3, 2]
    assert server.requests == []
    assert not cache.exists()


def test_another_file_given(data_set, server, cache, tmp_path):
    (tmp_path / "other.tar.gz").write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(
        DataError, match=f"other.tar.gz is not a file of small:\n  a.tar.gz: expected .*, found {found}"
    ):
        fetch(data_set, tmp_path / "one", [tmp_path / "other.tar.gz"])
    with pytest.raises(DataError, match=r"missing.*: no such file"):
        fetch(data_set, tmp_path / "one", [tmp_path / "missing"])
    assert server.requests == []


def test_a_folder_that_holds_something_is_left_alone(data_set, server, cache, archive, tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "train.extxyz").write_text("mine")
    with pytest.raises(DataError, match=r"one is not empty; use --force"):
        fetch(data_set, folder, [archive])
    assert (folder / "train.extxyz").read_text() == "mine"
    fetch(data_set, folder, [archive], overwrite=True)
    assert len(read_frames(str(folder / "train.extxyz"))) == 3


def test_places_that_cannot_be_written(data_set, server, archive, tmp_path, monkeypatch):
    (tmp_path / "plain").write_text("no folder")
    with pytest.raises(DataError, match=r"plain cannot be written to: Not a directory"):
        fetch(data_set, tmp_path / "plain", [archive])
    with pytest.raises(DataError, match=r"cannot write to .*plain/one: Not a directory"):
        fetch(data_set, tmp_path / "plain" / "one", [archive])
    monkeypatch.setenv("POTENTIALS_CACHE", str(tmp_path / "plain"))
    with pytest.raises(DataError, match=r"cannot use the cache .*POTENTIALS_CACHE to another folder"):
        fetch(data_set, tmp_path / "one")
    assert server.requests == []
