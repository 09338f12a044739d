import re

import pytest

from potentials.data.public.catalog import data_set_names, public_data_set
from potentials.errors import DataError


@pytest.mark.parametrize("name", data_set_names())
def test_each_entry_is_complete(name):
    entry = public_data_set(name)
    assert entry.name == name
    assert entry.license
    assert entry.citations
    assert len({file.name for file in entry.files}) == len(entry.files)
    for file in entry.files:
        assert file.url.startswith("https://")
        assert re.fullmatch(
            {"sha256": "[0-9a-f]{64}", "git-sha1": "[0-9a-f]{40}"}[file.checksum.algorithm], file.checksum.digest
        )
        if "github" in file.url:  # a branch moves, a commit does not
            assert re.search(r"/[0-9a-f]{40}/", file.url)


def test_no_two_files_are_the_same():
    files = {file for name in data_set_names() for file in public_data_set(name).files}
    assert len({file.checksum.digest for file in files}) == len({file.url for file in files}) == len(files)


@pytest.mark.parametrize(
    ("name", "close"),
    [("acca", "acac"), ("3BPA", "3bpa"), ("rmd17_ethanol", "rmd17-ethanol"), ("mlearn-SI", "mlearn-si")],
)
def test_an_unknown_name_gets_the_close_one(name, close):
    with pytest.raises(DataError, match=f'no public data set "{name}" .*; did you mean "{close}"'):
        public_data_set(name)


def test_a_name_that_is_close_to_none():
    with pytest.raises(DataError, match='no public data set "zzz" ') as caught:
        public_data_set("zzz")
    assert "did you mean" not in str(caught.value)
