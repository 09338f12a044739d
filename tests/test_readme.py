"""Examples in the README and the documentation work."""

import re
import subprocess
import sys

import potentials.models  # noqa: F401  (enters the families)
from potentials.cli.main import COMMANDS
from potentials.config import parse_config


def test_the_example_configuration_is_valid(repository):
    text = (repository / "docs" / "configuration.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert example is not None
    assert parse_config(example[1]).data.stress.unit == "kbar"


def test_its_table_lists_the_commands(repository):
    text = (repository / "README.md").read_text(encoding="utf-8")
    rows = dict.fromkeys(re.findall(r"^\| `([\w-]+)[` ].*\|$", text, re.MULTILINE))
    assert list(rows)[: len(COMMANDS)] == list(COMMANDS)


def test_the_network_of_the_documentation_runs(repository):
    """Its last line compares a rotated molecule with rotated matrices."""
    text = (repository / "docs" / "networks.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example[1]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "assert_close" in example[1]
