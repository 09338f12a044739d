"""The anatomy of PaiNN: its scalars and vectors, and the messages of the neighbors."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from potentials.equivariant import Irrep, Layout
from potentials.models.anatomy import (
    Anatomy,
    MessageRound,
    NodeFeatures,
    Recording,
    anatomy_of_network,
    of_each_edge,
)
from potentials.models.painn.network import VECTOR, Message, PaiNN

SCALAR = Irrep(0, 1)
_PATHS = ((SCALAR, SCALAR, SCALAR), (SCALAR, VECTOR, VECTOR), (VECTOR, SCALAR, VECTOR))


@anatomy_of_network.register
def _anatomy(network: PaiNN) -> Anatomy:
    messages = cast("list[Message]", network.messages)
    features = [
        NodeFeatures("s, species embedding", Layout([SCALAR]), lambda seen: seen.argument(messages[0]).unsqueeze(1))
    ]
    rounds = []
    for number, (message, update) in enumerate(zip(messages, network.updates, strict=True), start=1):
        rounds.append(_messages(f"layer {number}", message, network))
        for name, module in (("messages", message), ("update", update)):
            place = f"s and v after the {name} of layer {number}"
            features.append(NodeFeatures(place, Layout.natural(1), _scalars_and_vectors(module)))
    return Anatomy(1, features, rounds, network.edges.radial, messages[0].channels)


def _messages(name: str, message: Message, network: PaiNN) -> MessageRound:
    paths = _PATHS[: len(message.table.paths)]
    return MessageRound(
        name,
        message.table,
        [(irrep, sum(target == irrep for *_, target in paths)) for irrep in (SCALAR, VECTOR)],
        paths,
        sent=lambda seen: message.sent(seen.argument(message, 0), seen.argument(message, 1)),
        harmonics=lambda seen: seen.result(network.edges)[0],
        weights=lambda seen, topology: of_each_edge(seen.result(message.filters), message.channels, topology),
        summed=None,
        radial=message.filters,
    )


def _scalars_and_vectors(module: nn.Module) -> Callable[[Recording], Tensor]:
    def read(seen: Recording) -> Tensor:
        s, v = seen.result(module)
        return torch.cat([s.unsqueeze(1), v], dim=1)

    return read
