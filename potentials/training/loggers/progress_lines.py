"""Lines of the progress display for a given width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from potentials.evaluation.error_table import milli
from potentials.evaluation.metrics import PropertyErrors
from potentials.training.validations import Best, Validation

_BAR = (8, 30)
"""Smallest and largest width of the bar in columns."""


@dataclass(frozen=True)
class Moment:
    """State of training at a moment."""

    epoch: int
    """Current epoch, counted from 1."""
    max_epochs: int
    batch: int
    """Number of batches done in the current epoch."""
    batches: int
    loss_terms: Mapping[str, float]
    """Loss terms by property; means since the last validation, empty before the first step."""
    learning_rate: float
    frames_per_second: float
    seconds_left: float
    validation: Validation | None
    """The latest validation."""
    best: Best | None

    @property
    def loss(self) -> float:
        """The sum of the loss terms."""
        return sum(self.loss_terms.values())


def progress_lines(moment: Moment, width: int) -> list[str]:
    """Return up to three lines of at most `width` columns: progress, training, latest validation.

    Items that do not fit are omitted, the least important first; no line is cut or wrapped.
    """
    lines = [_how_far(moment, width), _training(moment, width), _validation(moment, width)]
    return [line for line in lines if line]


def moment_line(moment: Moment) -> str:
    """Return the state in one line, for a log during a long epoch."""
    done = f"epoch {moment.epoch}/{moment.max_epochs}  step {moment.batch}/{moment.batches}"
    pace, left = f"{moment.frames_per_second:.3g} frames/s", f"{clock(moment.seconds_left)} left"
    return f"{done}  {_loss(moment, parts=True)}  learning rate {moment.learning_rate:.2g}  {pace}  {left}"


def validation_line(validation: Validation, max_epochs: int) -> str:
    """Return a validation in one line: losses, errors, learning rate."""
    parts = [
        f"epoch {validation.epoch:g}/{max_epochs}",
        f"step {validation.step}",
        f"loss {validation.training_loss:.4g}",
        f"validation loss {validation.loss:.4g}",
        *_figures(validation.errors),
        f"learning rate {validation.learning_rate:.2g}",
    ]
    return "  ".join(parts) + ("  best" if validation.is_best else "")


def clock(seconds: float) -> str:
    """Format a time as `45s`, `3m 20s` or `2h 05m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def _how_far(moment: Moment, width: int) -> str:
    left = f"{clock(moment.seconds_left)} left"
    epoch = f"epoch {moment.epoch}/{moment.max_epochs}"
    batch = f"step {moment.batch}/{moment.batches}"
    pace = f"{moment.frames_per_second:.3g} frames/s"
    texts = _fitting([epoch, left, batch, pace], width)
    text = "  ".join(text for text in (epoch, batch, pace, left) if text in texts)
    columns = min(width - len(text) - 2, _BAR[1])
    if columns < _BAR[0] or epoch not in texts:
        return text
    filled = round(columns * moment.batch / max(moment.batches, 1))
    bar = "━" * filled + "─" * (columns - filled)
    return text.replace(epoch, f"{epoch}  {bar}", 1)


def _training(moment: Moment, width: int) -> str:
    loss, whole = (_loss(moment, parts=parts) for parts in (False, True))
    rate = f"{moment.learning_rate:.2g}"
    long, short = f"learning rate {rate}", f"lr {rate}"
    return _first_that_fits(
        ["  ".join(texts) for texts in ([whole, long], [whole, short], [loss, long], [loss])], width
    )


def _loss(moment: Moment, *, parts: bool) -> str:
    known = [f"{name} {value:.3g}" for name, value in moment.loss_terms.items() if value]
    if not moment.loss_terms:
        return "loss -"
    # A single loss term equals the loss and is not repeated.
    return f"loss {moment.loss:.3g}" + (f" ({', '.join(known)})" if parts and len(known) > 1 else "")


def _validation(moment: Moment, width: int) -> str:
    if moment.validation is None or moment.best is None:
        return ""
    errors = moment.validation.errors
    figures = _figures(errors)
    # The units alone distinguish the errors.
    bare = ", ".join(text.partition(" RMSE ")[2] for text in figures[:2])
    figure = moment.best.errors.forces or moment.best.errors.energy_per_atom
    best = f"best {milli(figure.rmse)} (epoch {moment.best.epoch:g})" if figure is not None else ""
    choices = [[*figures, best], [*figures[:2], best], figures[:2]]
    lines = ["validation: " + ", ".join(text for text in texts if text) for texts in choices]
    return _first_that_fits([*lines, f"validation RMSE {bare}", f"RMSE {bare}", *figures[:1]], width)


def _first_that_fits(lines: Sequence[str], width: int) -> str:
    return next((line for line in lines if len(line) <= width), "")


def _fitting(texts: list[str], width: int) -> list[str]:
    """Return as many of the texts, in the order of their importance, as fit in one line."""
    chosen: list[str] = []
    for text in texts:
        if len("  ".join([*chosen, text])) <= width:
            chosen.append(text)
    return chosen


def _figures(errors: PropertyErrors) -> list[str]:
    """Return the available errors in meV units as text."""
    figures = [
        ("forces RMSE", errors.forces, "meV/A"),
        ("energy RMSE", errors.energy_per_atom, "meV/atom"),
        ("stress RMSE", errors.stress, "meV/A^3"),
    ]
    return [f"{title} {milli(error.rmse)} {unit}" for title, error, unit in figures if error is not None]
