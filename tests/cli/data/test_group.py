from potentials.cli import data


def test_the_group_lists_its_commands(potentials):
    result = potentials("data", "--help")
    assert result.exit_code == 0
    for name, summary in data.COMMANDS.items():
        assert name in result.output
        assert summary in result.output


def test_a_misspelt_command_gets_a_suggestion(potentials):
    result = potentials("data", "feth")
    assert result.exit_code == 2
    assert "fetch" in result.output
