"""Every kind of configuration error: the text a user wrote, and the message that must come."""

# ruff: noqa: E501 - messages are written as they come

import pytest

from potentials.config import parse_config
from potentials.errors import ConfigError

HEAD = "run: a\ndata: {train: a.xyz}\nmodel: {name: pairs}\n"  # three lines that are right; cases start at line 4


def messages(text, overrides=()):
    try:
        parse_config(text, "c.yaml", overrides)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_the_head_is_right():
    assert messages(HEAD) == []


TRAIN = [
    ("max_epoch: 3", 'max_epoch: unknown key; did you mean "max_epochs"?'),
    ("max-epochs: 3", 'max-epochs: unknown key; did you mean "max_epochs"?'),
    ("Precision: mixed", 'Precision: unknown key; did you mean "precision"?'),
    ("batch_size: 3", 'batch_size: unknown key; did you mean "data.batch_size"?'),
    (
        "learning_rate: 3",
        'learning_rate: unknown key; did you mean "train.optimizer.learning_rate" or ' '"train.second_stage.learning_rate"?',
    ),
    ("max_epochs: 10.0", "max_epochs: expected an integer of at least 1, got the number 10.0"),
    ("max_epochs: true", "max_epochs: expected an integer of at least 1, got true"),
    ("max_epochs: 0", "max_epochs: expected an integer of at least 1, got the integer 0"),
    ("max_epochs: ten", 'max_epochs: expected an integer of at least 1, got text "ten"'),
    (
        "max_epochs: '10'",
        'max_epochs: expected an integer of at least 1, got text "10"; write the number without quotes',
    ),
    ("max_epochs: [1]", "max_epochs: expected an integer of at least 1, got a list of 1 item"),
    ("max_epochs: {a: 1}", 'max_epochs: expected an integer of at least 1, got a mapping with key "a"'),
    ("max_epochs: null", "max_epochs: expected an integer of at least 1, got null"),
    ("max_epochs:", "max_epochs: no value; write null for nothing, {} for a section with default values, or remove the "
     "key"),
    ("strategy: 3", "strategy: expected text, got the integer 3; text needs quotes here"),
    ("strategy: 1e3", "strategy: expected text, got the number 1000.0; text needs quotes here"),
    ("strategy: [ddp]", "strategy: expected text, got a list of 1 item"),
    (
        "precision: float23",
        'precision: expected "float32", "float64" or "mixed", got text "float23"; did you mean "float32"?',
    ),
    ("precision: half", 'precision: expected "float32", "float64" or "mixed", got text "half"'),
    ("precision: 32", 'precision: expected "float32", "float64" or "mixed", got the integer 32'),
    ("devices: al", 'devices: expected "auto" or an integer of at least 1, got text "al"'),
    ("devices: autom", 'devices: expected "auto" or an integer of at least 1, got text "autom"; did you mean "auto"?'),
    ("devices: 0", 'devices: expected "auto" or an integer of at least 1, got the integer 0'),
    ("gradient_clip: 0", "gradient_clip: expected a number greater than 0 or null, got the integer 0"),
    ("gradient_clip: .inf", "gradient_clip: expected a finite number, got the number .inf"),
    ("max_time: 15", 'max_time: expected a duration such as "90s", "15m", "2h 30m" or "01:30:00", got the integer 15'),
    ("max_time: 1y", 'max_time: expected a duration such as "90s", "15m", "2h 30m" or "01:30:00", got text "1y"'),
    ("max_time: 9999999999999d", 'max_time: the duration "9999999999999d" is too long'),
    ("max_time: 0s", "max_time: the time limit is zero; use null for no limit"),
    ("ema: 0.99", 'ema: expected a mapping with key "decay" or null, got the number 0.99'),
    ("ema: {decay: 1}", "ema.decay: expected a number greater than 0 and less than 1, got the integer 1"),
    ("ema: {decay: .nan}", "ema.decay: expected a number greater than 0 and less than 1, got the number .nan"),
    ("optimizer: {amsgrad: yes}", 'optimizer.amsgrad: expected true or false, got text "yes"; write true'),
    ("optimizer: {amsgrad: Off}", 'optimizer.amsgrad: expected true or false, got text "Off"; write false'),
    ("optimizer: {amsgrad: 1}", "optimizer.amsgrad: expected true or false, got the integer 1"),
    ("optimizer: {betas: [0.9]}", "optimizer.betas: expected a list of 2 numbers, got a list of 1 item"),
    ("optimizer: {betas: 0.9}", "optimizer.betas: expected a list of 2 numbers, got the number 0.9"),
    ("optimizer: {betas: [0.9, 1]}",
     "optimizer.betas[1]: expected a number of at least 0 and less than 1, got the integer 1"),
    ("schedule: {nam: cosine}", 'schedule.name: missing; expected "constant", "plateau" or "cosine"'),
    (
        "schedule: {name: cosin}",
        'schedule.name: expected "constant", "plateau" or "cosine", got text "cosin"; did you mean "cosine"?',
    ),
    ("schedule: {name: [1]}", 'schedule.name: expected "constant", "plateau" or "cosine", got a list of 1 item'),
    (
        "schedule: cosine",
        'schedule: expected a mapping with the key "name" ("constant", "plateau" or "cosine"), got text "cosine"; '
        "write {name: cosine}",
    ),
    ("schedule: {name: plateau, pateince: 3}", 'schedule.pateince: unknown key; did you mean "patience"?'),
    (
        "schedule: {name: plateau, patience: 0.5}",
        "schedule.patience: expected an integer of at least 1, got the number 0.5",
    ),
    (
        "{max_epochs: 5, schedule: {name: constant, warmup_epochs: 6}}",
        "schedule.warmup_epochs: 6 epochs are more than train.max_epochs, 5",
    ),
    ("second_stage: {start: 3}", 'second_stage.loss: missing; expected a mapping with keys "energy", "forces", "stress"'),
    (
        "second_stage: {start: 200, loss: {}}",
        "second_stage.start: the second stage would start after 200 epochs, but train.max_epochs is 200",
    ),
    (
        "second_stage: {start: 1.5, loss: {}}",
        "second_stage.start: expected an integer of at least 1 or a number greater than 0 and less than 1, "
        "got the number 1.5",
    ),
    (
        "second_stage: {loss: {energy: null, forces: null}}",
        "second_stage.loss: the weights of energy, forces and stress are all zero; at least one must be positive",
    ),
    (
        "second_stage: {loss: {stress: {weight: 2}}}",
        "second_stage.loss.stress.weight: 2 requires stress labels, but neither data.stress nor data.virial is given; "
        "give one of them, or set the weight to 0",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("written", "message"), TRAIN)
def test_train_section(written, message):
    section = f"train: {written}" if written.startswith("{") else f"train:\n  {written}"
    line = 4 if written.startswith("{") else 5
    assert messages(HEAD + section) == [f"c.yaml:{line}  train.{message}"]


DATA = [
    ("{}", 'train: missing; expected a file name or a list of 1 or more file names'),
    ("{train: []}", "train: expected a list of 1 or more file names, got an empty list"),
    ("{train: ''}", "train: expected a file name or a list of 1 or more file names, got empty text"),
    ("{train: 3}", "train: expected a file name or a list of 1 or more file names, got the integer 3; text needs "
                   "quotes here"),
    ("{train: [a, 3]}", "train[1]: expected a file name, got the integer 3; text needs quotes here"),
    ("{train: a, validation: 1.5}",
     "validation: expected a file name, a list of 1 or more file names, an integer of at least 1 or a number greater "
     "than 0 and less than 1, got the number 1.5"),
    ("{train: a, validation: {b: c}}",
     "validation: expected a file name, a list of 1 or more file names, an integer of at least 1 or a number greater "
     'than 0 and less than 1, got a mapping with key "b"'),
    ("{train: a, validation: [b, {file: c}]}", "validation[1].head: missing; expected a name of letters, digits and . _ + -"),
    ("{train: a, test: true}",
     "test: expected a file name, a list of 1 or more file names, an integer of at least 1, a number greater than 0 "
     "and less than 1, a mapping of names to files or null, got true"),
    ("{train: a, batch_size: 4, max_atoms_per_batch: 100}",
     "batch_size: data.max_atoms_per_batch is given too; keep one of them and set the other to null"),
    ("{train: a, max_atoms_per_batch: 100, max_edges_per_batch: 900}",
     "max_atoms_per_batch: data.max_edges_per_batch is given too; keep one of them and set the other to null"),
    ("{train: a, max_edges_per_batch: 0}",
     "max_edges_per_batch: expected an integer of at least 1 or null, got the integer 0"),
    ("{train: a, batch_size: null}",
     "batch_size: the batch size is not defined; give a number here, or max_atoms_per_batch or max_edges_per_batch"),
    ("{train: a, test: {}}", "test: expected a mapping of names to files, got an empty mapping"),
    ("{train: a, test: {cold: 3}}",
     "test.cold: expected a file name or a list of 1 or more file names, got the integer 3; text needs quotes here"),
    ("{train: a, test: {cold: [b, null]}}", "test.cold[1]: expected a file name, got null"),
    ("{train: a, validation: 0.6, test: 0.4}", "test: the fractions of validation (0.6) and test (0.4) frames leave no "
     "training frames; their sum must be less than 1"),
    ("{train: a, forces: 5}",
     'forces: expected the name of a key of the frames, a mapping with keys "key", "unit" or null, got the '
     "integer 5; text needs quotes here"),
    ("{train: a, energy: {unit: ev}}",
     'energy.unit: expected "eV", "meV", "Ha", "Ry", "kcal/mol" or "kJ/mol", got text "ev"; did you mean "eV"?'),
    ("{train: a, virial: REF_virial}",
     'virial.sign: missing; expected "tension-positive" or "compression-positive"'),
    ("{train: a, stress: s, virial: {sign: tension-positive}}",
     "virial: data.stress is given too; keep one of them"),
    ("{train: a, reference_energies: leastsquares}",
     'reference_energies: expected "auto", "isolated-atoms", "least-squares", "zero" or a mapping, got text '
     '"leastsquares"; did you mean "least-squares"?'),
    ("{train: a, reference_energies: {CU: 1.0}}",
     'reference_energies.CU: "CU" is not the symbol of a chemical element; did you mean "Cu"?'),
    ("{train: a, reference_energies: {Cu: low}}", 'reference_energies.Cu: expected a number, got text "low"'),
    ("{train: a, weights: [1]}",
     'weights: expected a mapping with keys "key", "energy_key", "forces_key", "stress_key", ' '"groups", got a list of 1 item'),
    ("{train: a, weights: {groups: {bulk: -1}}}",
     'weights.groups.bulk: expected a number of at least 0 or a mapping with keys "energy", "forces", ' '' '' '' '"stress", got the '
     "integer -1"),
    ("{train: a, weights: {groups: {bulk: {force: 1}}}}", 'weights.groups.bulk.force: unknown key; did you mean "forces"?'),
    ("{train: a, weights: {groups: bulk}}", 'weights.groups: expected a mapping, got text "bulk"'),
    ("{train: a, forces: null}", "forces: null, but loss.forces.weight is 100; set loss.forces to null to exclude it"),
    ("nothing", 'expected a mapping with keys "train", "validation", "test", "heads", "split_seed", "train_size", "energy", "forces" '
                'and 13 more, got text "nothing"'),
]  # fmt: skip


@pytest.mark.parametrize(("written", "message"), DATA)
def test_data_section(written, message):
    key = "data: " if message.startswith("expected") else "data."
    assert messages(f"run: a\nmodel: {{name: pairs}}\n\ndata: {written}\n") == [f"c.yaml:4  {key}{message}"]


MODEL = [
    ("{}", 'name: missing; expected the name of a family, "pairs" or "triples"'),
    ("{nam: pairs}", 'name: missing; expected the name of a family, "pairs" or "triples"'),
    (
        "{name: pars, chanels: 3}",
        'name: expected the name of a family, "pairs" or "triples", got text "pars"; did you mean "pairs"?',
    ),
    ("{name: painn_2}", 'name: expected the name of a family, "pairs" or "triples", got text "painn_2"'),
    ("{name: 3}", 'name: expected the name of a family, "pairs" or "triples", got the integer 3'),
    ("{name: null}", 'name: expected the name of a family, "pairs" or "triples", got null'),
    ("{name: triples}", "order: missing; expected an integer of at least 1"),
    ("{name: triples, order: 2, channels: 3}",
     'channels: unknown key; expected keys "name", "cutoff", "elements", "average_neighbors", "scale", "shift", "zbl", '
     '"order"'),
    ("{name: pairs, chanels: 3}", 'chanels: unknown key; did you mean "channels"?'),
    ("{name: pairs, layers: 9}", "layers: expected an integer of at least 0 and at most 4, got the integer 9"),
    ("{name: pairs, widths: [64, 1.5]}", "widths[1]: expected an integer of at least 1, got the number 1.5"),
    ("{name: pairs, widths: 64}", "widths: expected a list of integers, got the integer 64"),
    ("{name: pairs, cutoff: 0.3}", "cutoff: expected a number greater than 0.5 and at most 20, got the number 0.3"),
    ("{name: pairs, cutoff: 5.0 A}", 'cutoff: expected a number greater than 0.5 and at most 20, got text "5.0 A"'),
    ("{name: pairs, elements: Cu}", 'elements: expected "auto" or a list of 1 or more element symbols, got text "Cu"'),
    ("{name: pairs, elements: []}", "elements: expected a list of 1 or more element symbols, got an empty list"),
    ("{name: pairs, elements: [Cu, 29]}",
     "elements[1]: expected an element symbol, got the integer 29; text needs quotes here"),
    ("{name: pairs, elements: [Cu, X]}", 'elements[1]: "X" is not the symbol of a chemical element; did you mean "Xe"?'),
    ("{name: pairs, elements: [H, h]}",
     'elements[1]: "h" is not the symbol of a chemical element; did you mean "H"?'),
    ("{name: pairs, elements: [O, H, O]}", "elements: elements given more than once: O"),
    ("{name: pairs, scale: atuo}",
     'scale: expected "auto", a number greater than 0 or a mapping, got text "atuo"; did you mean "auto"?'),
    ("{name: pairs, scale: -1.0}", 'scale: expected "auto", a number greater than 0 or a mapping, got the number -1.0'),
    ("{name: pairs, scale: {Cu: -1}}", "scale.Cu: expected a number greater than 0, got the integer -1"),
    ("{name: pairs, shift: {Xx: 1}}", 'shift.Xx: "Xx" is not the symbol of a chemical element'),
    ("{name: pairs, elements: [O, H], scale: {O: 1}}", "scale: no value for H, which model.elements contains"),
    ("{name: pairs, radial: bessel}",
     'radial: expected a mapping with keys "basis", "size", "trainable", "envelope", "envelope_power", '
     '"envelope_onset", "distance_transform", got text "bessel"'),
    ("{name: pairs, radial: {basis: besel}}",
     'radial.basis: expected "bessel", "gaussian" or "chebyshev", got text "besel"; did you mean "bessel"?'),
    ("pairs", 'expected a mapping with the key "name" ("pairs" or "triples"), got text "pairs"'),
]  # fmt: skip


@pytest.mark.parametrize(("written", "message"), MODEL)
def test_model_section(written, message):
    key = "model: " if 'got text "pairs"' in message else "model."
    assert messages(f"run: a\ndata: {{train: a.xyz}}\n\nmodel: {written}\n") == [f"c.yaml:4  {key}{message}"]


LOSS = [
    ("{energy: null, forces: {weight: 0}}",
     "loss: the weights of energy, forces and stress are all zero; at least one must be positive"),
    ("{stress: {weight: 1}}",
     "loss.stress.weight: 1 requires stress labels, but neither data.stress nor data.virial is given; give one of them, "
     "or set the weight to 0"),
    ("{stress: 3}",
     'loss.stress: expected a mapping with keys "weight", "function", "huber_delta" or null, got the '
     "integer 3"),
    ("{forces: {function: l1}}", 'loss.forces.function: expected "mse", "mae" or "huber", got text "l1"'),
    ("{force: {}}", 'loss.force: unknown key; did you mean "forces"?'),
]  # fmt: skip


@pytest.mark.parametrize(("written", "message"), LOSS)
def test_loss_section(written, message):
    assert messages(f"{HEAD}loss: {written}") == [f"c.yaml:4  {message}"]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("2024", "expected text (not empty), got the integer 2024; text needs quotes here"),
        ("''", "expected text (not empty), got empty text"),
        ("my run", '" " cannot be used in "my run"; a name may contain letters, digits and . _ + = , -'),
        ("a:b", '":" cannot be used in "a:b"; a name may contain letters, digits and . _ + = , -'),
        (
            ".hidden",
            'the name ".hidden" starts with ".", so it would be hidden or read as an option; start it with a '
            "letter or digit",
        ),
        (
            "--help",
            'the name "--help" starts with "-", so it would be hidden or read as an option; start it with a '
            "letter or digit",
        ),
        ("runs/a*", '"*" cannot be used in "runs/a*"'),
        ("~/runs/a", '"~/runs/a": write the full path; ~ is not expanded here'),
    ],
)
def test_run_names(run, message):
    assert messages(f"run: {run}\ndata: {{train: a.xyz}}\nmodel: {{name: pairs}}\n") == [f"c.yaml:1  run: {message}"]


@pytest.mark.parametrize("run", ["first", "Cu_300K-2,lr=1e-3", "runs/a b", "/scratch/me@host/x", "../other", "été"])
def test_good_run_names(run):
    assert messages(f"run: {run}\ndata: {{train: a.xyz}}\nmodel: {{name: pairs}}\n") == []


def test_reference_energies_must_cover_the_elements():
    text = "run: a\ndata:\n  train: a.xyz\n  reference_energies: {Cu: 1.0}\nmodel: {name: pairs, elements: [Cu, Zn]}\n"
    assert messages(text) == ["c.yaml:4  data.reference_energies: no energy for Zn, which model.elements contains"]


def test_labels_for_neither_energy_nor_forces():
    text = "run: a\nmodel: {name: pairs}\ndata:\n  train: a.xyz\n  energy: null\n  forces: null\n"
    assert messages(text) == [
        "c.yaml:5  data.energy: null, but loss.energy.weight is 1; set loss.energy to null to exclude it",
        "c.yaml:6  data.forces: null, but loss.forces.weight is 100; set loss.forces to null to exclude it",
    ]
    assert messages(f"{text}  stress: s\nloss: {{energy: null, forces: null, stress: {{weight: 1}}}}") == []


def test_top_level():
    assert messages("- a") == [
        'c.yaml:1 expected a mapping with keys "run", "seed", "data", "model", "loss", "train", '
        '"start_from", "fine_tune", "logging", got a list of 1 item'
    ]
    assert messages("run: a\nseeds: 3\n") == [
        'c.yaml:1  data: missing; expected a mapping with keys "train", "validation", "test", '
        '"heads", "split_seed", "train_size", "energy", "forces" and 13 more',
        'c.yaml:1  model: missing; expected a mapping with the key "name" ("pairs" or "triples")',
        'c.yaml:2  seeds: unknown key; did you mean "seed"?',
    ]


def test_all_problems_at_once_in_the_order_of_lines():
    text = """run: a
data:
  train:
  validaton: 0.1
  batch_size: five
  batch_size: 5
model:
  name: pairs
  chanels: 64
  cutoff: -1
loss:
  stress: {weight: x}
train:
  max_epochs: 1.5
  ema: {decays: 0.9}
  second_stage: {start: 3, loss: {energy: null, forces: null}}
logging: {wandb: yes}
3: 4
"""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.yaml")
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (3, "data.train"),
        (4, "data.validaton"),
        (5, "data.batch_size"),
        (6, "data.batch_size"),
        (9, "model.chanels"),
        (10, "model.cutoff"),
        (12, "loss.stress.weight"),
        (14, "train.max_epochs"),
        (15, "train.ema.decays"),
        (16, "train.second_stage.loss"),
        (17, "logging.wandb"),
        (18, None),
    ]


def test_a_value_merged_from_elsewhere_is_reported_where_it_was_written():
    text = HEAD + "loss: &loss\n  forces: {function: l1}\ntrain:\n  second_stage:\n    loss:\n      <<: *loss\n"
    assert messages(text) == [
        'c.yaml:5  loss.forces.function: expected "mse", "mae" or "huber", got text "l1"',
        'c.yaml:5  train.second_stage.loss.forces.function: expected "mse", "mae" or "huber", got text "l1"',
    ]
