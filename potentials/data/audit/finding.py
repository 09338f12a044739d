"""What an audit says of the data: one observation, why it matters, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from potentials.data.read import Located, frame_list

Severity = Literal["error", "warning", "note"]
"""An `error` spoils what is trained; a `warning` may do so, or hides errors; a `note` is good to know."""


@dataclass(frozen=True)
class AuditFinding:
    """One observation."""

    check: str
    """What was looked for, such as `net-force`; the same in every release."""
    severity: Severity
    what: str
    """A sentence without its full stop."""
    why: str
    """Why it matters."""
    remedy: str
    """What to do."""
    frames: tuple[Located, ...] = ()
    """The frames it is about; none where it is about all."""
    figures: dict[str, float] = field(default_factory=dict)
    """Numbers behind it, by name with unit, such as `largest_eV_per_A`."""

    def text(self) -> str:
        """For people: several lines."""
        frames = f"\n    in {frame_list(self.frames)}" if self.frames else ""
        return f"{self.severity} [{self.check}] {self.what}{frames}\n    {self.why}.\n    {self.remedy}."

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "check": self.check,
            "severity": self.severity,
            "what": self.what,
            "why": self.why,
            "remedy": self.remedy,
            "frames": [{"file": frame.file, "index": frame.index} for frame in self.frames],
            "figures": self.figures,
        }
