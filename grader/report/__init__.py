"""The class on one page: marks, times, and solutions that look alike."""

__all__ = ["class_report", "marks", "page", "similarity"]
