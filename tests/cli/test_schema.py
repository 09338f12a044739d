import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_standard_output_is_a_json_schema():
    command = [sys.executable, "-m", "potentials", "schema"]
    schema = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert {"run", "data", "model", "loss", "train", "logging"} <= schema["properties"].keys()
    assert "correlation" in json.dumps(schema)  # the families' own settings too
