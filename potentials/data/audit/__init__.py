"""Search for silent errors in the data: impossible labels, duplicate frames, leaks between training and test sets.

Each file covers one subject and yields an `AuditFinding` for each finding. No check here needs a model, so all are
fast; `potentials.setup.audit.audit` combines them and adds the checks that need a fitted model.
"""

from potentials.data.audit.finding import AuditFinding, Severity

__all__ = ["AuditFinding", "Severity"]
