// Runs the network on every image that the computer sends: the program for `edgekit benchmark`.
#include "Model.h"
#include "board/EspSerialPort.h"
#include "board/Stopwatch.h"

extern "C" void app_main() {
    static EspSerialPort serial;
    static uint8_t pixels[Model::input_size];  // red, green, blue of each pixel, row by row
    Model model;

    while (true) {
        serial.receive_input(pixels, sizeof pixels, 'u');
        for (int i = 0; i < Model::input_size; i++) {
            model.set_input(i, (pixels[i] - 128) / 128.0f);
        }

        Stopwatch stopwatch;
        model.invoke();
        const uint32_t microseconds = stopwatch.microseconds();

        float scores[Model::output_size];
        for (int i = 0; i < Model::output_size; i++) {
            scores[i] = model.output(i);
        }
        serial.write_result(scores, Model::output_size, "", microseconds);
    }
}
