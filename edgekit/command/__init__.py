"""The command line: `edgekit COMMAND`. Each family of commands is a file, which adds its commands to the parser.

lessons         start, doctor, data
converting      export, quantize
examining       summary, report, compare
projects        firmware
boards          benchmark, capture

parser          one line for a mistake; files and folders to be written
models          read_model: a network from a file of any format; files tells what a file holds
arrays          arrays from NumPy's files, tables, images and data sets
inputs          inputs of a network: arrays that fit it, pixels with their real values
quantizing      the options of int8, and how near int8 is to float
text            one safe line of an error
"""

from edgekit.command.main import main

__all__ = ["main"]
