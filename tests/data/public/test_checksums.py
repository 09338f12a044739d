import pytest

from potentials.data.public.checksums import Checksum

# As `sha256sum` and `git hash-object` print them.
KNOWN = {
    ("sha256", b""): "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ("sha256", b"hello\n"): "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    ("git-sha1", b""): "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    ("git-sha1", b"hello\n"): "ce013625030ba8dba906f756967f9e9ca394464a",
}


@pytest.mark.parametrize(("algorithm", "content"), KNOWN)
def test_digests_are_those_of_the_usual_programs(tmp_path, algorithm, content):
    file = tmp_path / "file"
    file.write_bytes(content)
    checksum = Checksum(algorithm, KNOWN[algorithm, content])
    assert checksum.of(file) == checksum.digest
    assert checksum.fits(file)
    file.write_bytes(content + b"x")
    assert not checksum.fits(file)
