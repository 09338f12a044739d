"""Dashboard: a local, read-only page of all runs below a folder.

`reading/` finds runs and reads their files, never outside the folder. `summary.py` builds the table row of a run,
`curves.py` sends metrics as the files grow, `details.py` describes one run. `server.py` answers requests, `serving.py`
listens for them. torch is not imported, so that the start is fast.
"""
