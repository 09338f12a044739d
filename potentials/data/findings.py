"""Notes and warnings about the data, collected during preparation."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Findings:
    """Notes (what was inferred or left out, and why) and warnings (what is probably wrong)."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a note."""
        self.notes.append(text)

    def add(self, others: Findings, subject: str) -> None:
        """Add the notes and warnings about a part of the data."""
        self.notes += [f"{subject}: {text}" for text in others.notes]
        self.warnings += [f"{subject}: {text}" for text in others.warnings]

    def warn(self, text: str) -> None:
        """Add a warning."""
        self.warnings.append(text)
