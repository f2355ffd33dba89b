"""The bus on Google Pub/Sub: one topic with one subscription, and a second pair for the dead letters.

- `connect.py`: from a URL to a bus; `names.py`: what a URL names; `provisioning.py`: what is missing is made.
- `adapter.py`: the port's calls.
- `pulling.py`: messages asked for by a request. `publishing.py`, `acking.py`: requests gathered from what
  concurrent callers want, by `batching.py`.
- `streaming.py`: the open stream of messages; `holding.py`: what it brought and whose lease that is.
- `letters.py`: a dead letter as a message; `listing.py`: the dead letters, held while they are listed.
- `sweeping.py`: everything that can be seen, once; `counting.py`: what waits, from Cloud Monitoring.
- `clients.py`, `calls.py`: Google's clients, and one call with deadlines of ours.
- `failures.py`: Google's exceptions to ours.

Google's generated asyncio clients (`google.pubsub_v1`) are used rather than its high-level one, which works
with threads, a callback for each message and futures that may never resolve, and spends about ten times as
much of the processor on a small message (measured). What it would do for us (batches, flow control, leases,
deadlines) is here, on the event loop that everything else runs on.
"""
