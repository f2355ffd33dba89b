"""The bus in one SQLite file, shared by the processes of one machine.

- `connect.py`: from a URL to a bus.
- `adapter.py`: the port's calls, as steps that run in the bus's thread.
- `schema.py`: the file: its tables, its settings, its version.
- `statements.py`: each step's SQL.
- `committer.py`: the one thread that owns the connection, and group commit.
- `failures.py`: SQLite's exceptions to ours.
"""
