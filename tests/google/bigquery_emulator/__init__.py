"""BigQuery on this machine: an emulator in an environment of its own, with the rules of change data capture.

`process` starts it for tests. All other modules run inside that environment (`make bigquery-emulator`),
where `bqemulator` is, and make it as strict as Google documents BigQuery to be:

- `changes`: which of several changes of a row wins, and for how long deletions are remembered;
- `writing`: the Storage Write API with these rules, refusing what BigQuery refuses;
- `tables`: tables with primary keys and a staleness, and columns that are added and dropped;
- `launcher`: puts it together and serves it.
"""
