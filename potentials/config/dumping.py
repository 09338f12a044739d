"""Write a configuration as readable YAML that `parse_config` reads back."""

from __future__ import annotations

from typing import Any

import yaml

from potentials.config.run import RunConfig
from potentials.config.yaml.yaml_types import add_resolvers

_LONGEST_LINE = 100


class PlainDumper(yaml.SafeDumper):
    """YAML dumper with the resolvers of YAML 1.1 and of our reader: text that either would read as another type is
    quoted, so that every YAML program reads the file in the same way."""


add_resolvers(PlainDumper)


class _Dumper(PlainDumper):
    """YAML dumper that writes mappings as blocks, and short lists of plain values on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        items = list(sequence)
        short = sum(len(str(item)) + 2 for item in items) <= _LONGEST_LINE
        flow = short and not any(isinstance(item, dict | list) for item in items)
        return super().represent_sequence(tag, items, flow_style=flow)


def dump_config(config: RunConfig, header: str = "") -> str:
    """Write every value of a configuration, defaults included, as YAML.

    Args:
        config: what to write; `parse_config` of the result is equal to it.
        header: lines to write above it as a comment.
    """
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    sections = [
        yaml.dump(
            {name: value}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False
        )
        for name, value in config.model_dump().items()
    ]
    simple = "".join(section for section in sections if section.count("\n") == 1)
    blocks = [section for section in sections if section.count("\n") > 1]
    return "\n".join(part for part in (comment, simple, *blocks) if part)
