"""Everything that the hidden tests of lessons import of the grader."""

__all__ = ["car_network", "cpp", "int8", "litert"]
