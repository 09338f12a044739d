"""A finding of an audit: what was observed, why it matters, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from potentials.data.read import Located, frame_list

Severity = Literal["error", "warning", "note"]
"""An `error` degrades the trained model; a `warning` may do so, or hides errors; a `note` is information."""


@dataclass(frozen=True)
class AuditFinding:
    """One observation."""

    check: str
    """Name of the check, such as `net-force`; stable across releases."""
    severity: Severity
    what: str
    """A sentence without its final period."""
    why: str
    """Why it matters."""
    remedy: str
    """What to do."""
    frames: tuple[Located, ...] = ()
    """The frames concerned; empty where all are."""
    figures: dict[str, float] = field(default_factory=dict)
    """Numbers that support it, by name with unit, such as `largest_eV_per_A`."""

    def text(self) -> str:
        """Return several lines of text for people."""
        frames = f"\n    in {frame_list(self.frames)}" if self.frames else ""
        return f"{self.severity} [{self.check}] {self.what}{frames}\n    {self.why}.\n    {self.remedy}."

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary for scripts."""
        return {
            "check": self.check,
            "severity": self.severity,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
            "frames": [{"file": frame.file, "index": frame.index} for frame in self.frames],
            "figures": self.figures,
        }
