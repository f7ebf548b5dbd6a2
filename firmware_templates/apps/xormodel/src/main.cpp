// The program of the board: takes two inputs from the computer, runs the network, and sends back its output.
#include "Model.h"
#include "board/EspSerialPort.h"
#include "board/SerialInputProvider.h"
#include "board/Stopwatch.h"

extern "C" void app_main() {
    EspSerialPort serial;
    SerialInputProvider input(serial);

    // TODO 1: create the model.

    while (true) {
        input.next();  // waits until the computer has sent input[0] and input[1]

        // TODO 2: put both numbers into the model.

        Stopwatch stopwatch;
        // TODO 3: run the model.
        const uint32_t microseconds = stopwatch.microseconds();

        float output = 0.0f;  // TODO 4: read the model's output.

        serial.write_result(output, microseconds);
    }
}
