"""Errors that come from a loader's worker process say what they would say here."""

import pytest
import torch
from read_loaders import batches_of

from potentials.errors import ConfigError, DataError, PotentialsError, Problem, UnknownElementError


class Failing(torch.utils.data.Dataset):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        try:
            raise ValueError("the cause\nDataError: not this")
        except ValueError as cause:
            raise self.error from cause


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("error", [DataError, UnknownElementError, PotentialsError])
@pytest.mark.parametrize("message", ["a.h5, frame 3: no energy", "two\nlines: of it\n  and more"])
def test_the_message_alone_comes_back(workers: int, error: type[PotentialsError], message: str) -> None:
    loader = torch.utils.data.DataLoader(Failing(error(message)), num_workers=workers)
    with batches_of(loader) as batches, pytest.raises(error) as caught:
        list(batches)
    assert type(caught.value) is error
    assert str(caught.value) == message


def test_messages_stay_as_they_are() -> None:
    assert str(DataError("Original Traceback: DataError: x")) == "Original Traceback: DataError: x"
    assert str(ConfigError([Problem("wrong", "a.yaml", 3, "data")])) == "a.yaml:3  data: wrong"
