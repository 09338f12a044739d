"""`potentials schema`: the JSON schema of the configuration."""

from __future__ import annotations

import json


def schema() -> None:
    """Print the JSON schema of the configuration: completion and checks while you type, in editors that read it.

    Save it and name it in the first line of a configuration: `# yaml-language-server: $schema=schema.json`.
    """
    import potentials.models  # noqa: F401  (enters the families)
    from potentials.config import json_schema

    print(json.dumps(json_schema(), indent=2))
