"""Moodle and Canvas: reads the submissions they export, writes the marks and feedback they take back."""

__all__ = ["canvas", "collect", "exports", "hand_back", "moodle", "tables"]
