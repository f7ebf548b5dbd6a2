"""The common base of edgekit's errors, so that a program can catch all of them by one name."""


class EdgekitError(Exception):
    """An error that edgekit explains: its message says why it happened and what to do.

    Each kind of error derives from it beside its other bases (for example `RuntimeError`), so both names catch it.
    """
