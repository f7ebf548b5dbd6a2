"""Stops nbgrader in the course's old place: without the settings of grader/course/ it runs students' code freely."""

import sys

sys.exit("The course is now in grader/course/: run nbgrader there (`python -m grader check` says what is to be moved).")
