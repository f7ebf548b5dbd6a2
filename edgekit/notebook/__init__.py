"""The notebook's side of edgekit: its session (project, board and port in use), its magics, and help for lessons."""

__all__ = ["lesson", "magics", "quiet", "session"]
