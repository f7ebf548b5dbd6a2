"""What Moodle and Canvas export and take back: submissions in, marks and feedback out."""

__all__ = ["collect", "exports", "hand_back"]
