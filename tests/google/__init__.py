import shared.google  # noqa: F401 -- it quiets gRPC, before that is imported
