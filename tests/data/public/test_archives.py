import tarfile

import pytest
from published_files import write_tar

from potentials.data.public.archives import read_members
from potentials.errors import DataError


def every(name):
    return True


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_wanted_members_in_their_order(tmp_path, mode):
    archive = write_tar(tmp_path / "a.tar", {"f/b.xyz": b"bb", "f/a.txt": b"a", "./f/c.xyz": b"c"}, mode)
    members = list(read_members(archive, lambda name: name.endswith(".xyz")))
    assert members == [("f/b.xyz", b"bb"), ("f/c.xyz", b"c")]


@pytest.mark.parametrize("name", ["../evil.xyz", "f/../../evil.xyz", "/tmp/evil.xyz", "..\\evil.xyz"])
def test_names_that_point_outside_are_refused_even_where_nobody_wants_them(tmp_path, name):
    archive = write_tar(tmp_path / "a.tar.gz", {name: b"evil", "good.xyz": b"good"})
    with pytest.raises(DataError, match=r"a\.tar\.gz: the member .*evil\.xyz.* points outside of the archive"):
        list(read_members(archive, lambda wanted: wanted == "good.xyz"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_links_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("f/secret.xyz")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DataError, match=r"secret\.xyz is a link or a device, expected a regular file"):
        list(read_members(tmp_path / "a.tar", every))


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2"])
def test_a_damaged_archive(tmp_path, mode):
    archive = write_tar(tmp_path / "a.tar", {"a.xyz": bytes(range(256)) * 100}, mode)
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot read the archive"):
        list(read_members(archive, every))


def test_no_archive(tmp_path):
    (tmp_path / "a.tar").write_text("<html>not found</html>")
    with pytest.raises(DataError, match="cannot read the archive"):
        list(read_members(tmp_path / "a.tar", every))
