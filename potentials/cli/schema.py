"""`potentials schema`: print the JSON schema of the configuration."""

from __future__ import annotations

import json


def schema() -> None:
    """Print the JSON schema of the configuration, which editors use for completion and validation.

    Save the schema and name it in the first line of a configuration: `# yaml-language-server: $schema=schema.json`.
    """
    import potentials.models  # noqa: F401  (registers the families)
    from potentials.config import json_schema

    print(json.dumps(json_schema(), indent=2))
