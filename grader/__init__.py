"""The instructor's side: lessons in reviewable text, their release as notebooks, and grading that can be trusted."""
