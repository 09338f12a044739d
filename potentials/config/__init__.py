"""Configuration: the schema of the YAML file, a reader that keeps line numbers, overrides and error messages.

Model families register their own configuration classes in `families`; the rest of the schema is defined here.
`yaml/` reads the text, `messages/` describes its errors.
"""

from potentials.config.base import StrictConfig
from potentials.config.data import DataConfig
from potentials.config.dumping import dump_config
from potentials.config.editor_schema import json_schema
from potentials.config.families import FamilyConfig, RadialConfig, families, family_config, register_family
from potentials.config.loading import load_config, parse_config
from potentials.config.logging import LoggingConfig
from potentials.config.loss import LossConfig
from potentials.config.run import RunConfig
from potentials.config.train import TrainConfig

__all__ = [
    "DataConfig",
    "FamilyConfig",
    "LoggingConfig",
    "LossConfig",
    "RadialConfig",
    "RunConfig",
    "StrictConfig",
    "TrainConfig",
    "dump_config",
    "families",
    "family_config",
    "json_schema",
    "load_config",
    "parse_config",
    "register_family",
]
