// The reference solution of the XOR lesson's program.
#include "Model.h"
#include "board/EspSerialPort.h"
#include "board/SerialInputProvider.h"
#include "board/Stopwatch.h"

extern "C" void app_main() {
    EspSerialPort serial;
    SerialInputProvider input(serial);

    Model model;

    while (true) {
        input.next();

        model.set_input(0, input[0]);
        model.set_input(1, input[1]);

        Stopwatch stopwatch;
        model.invoke();
        const uint32_t microseconds = stopwatch.microseconds();

        float output = model.output(0);

        serial.write_result(output, microseconds);
    }
}
