"""Near real time: takes Productive's webhooks, keeps them, and turns them into records.

`receiver` takes deliveries over HTTP and says yes once they are durable on the intake bus; `reading`
takes them from there and publishes records; `webhooks` registers, watches and replays them.
"""
