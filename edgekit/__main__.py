"""The `edgekit` command: calls the library from a terminal. `edgekit/command` has a file for each family.

edgekit start xormodel                      opens a lesson in JupyterLab; --list names them
edgekit doctor                              finds missing tools, and says how to get them
edgekit data cars --split test --to cars    writes a data set's images as PNG files; without a name, lists all data sets
edgekit summary model.tflite                shows a network's ops, shapes, multiply-accumulates and scales
edgekit report model.tflite                 shows flash, memory, instructions by layer and time on a board
edgekit quantize model.keras --calibration inputs.npy --to int8.tflite    writes int8, and says how near it is to float
edgekit compare model.keras int8.tflite     shows the first tensor at which two networks part
edgekit export model.keras --to out         writes C and .tflite from a network in any file, C from a .tflite file
edgekit export carclassifier --calibration cars    the same in int8
edgekit firmware create xormodel folder out/xormodel.h out/xormodel.cpp
edgekit firmware upload folder              builds the project and writes it to the board, or starts the simulated board
edgekit benchmark --simulate --images 500   measures a board's accuracy and time on the test images
edgekit capture photographs                 takes photographs with the board's camera, sorted into car and no_car
"""

import sys

from edgekit.command import main

if __name__ == "__main__":
    sys.exit(main())
