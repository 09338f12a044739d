"""Looking for quiet faults of data: labels that cannot be right, frames that are twice there, parts that leak.

Each file looks at one subject and yields an `AuditFinding` for what it finds. Nothing here needs a model, so all of it
is quick; `potentials.setup.audit.audit` puts it together and adds what only a fitted model can tell.
"""

from potentials.data.audit.finding import AuditFinding, Severity

__all__ = ["AuditFinding", "Severity"]
