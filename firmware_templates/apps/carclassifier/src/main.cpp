// The program of the board: takes images, runs the network on each, and reports whether there is a car.
#include "Model.h"
#include "board/CameraImageProvider.h"
#include "board/EspSerialPort.h"
#include "board/Led.h"
#include "board/SerialImageProvider.h"
#include "board/Stopwatch.h"

extern "C" void app_main() {
    EspSerialPort serial;
    Led led;
    CameraImageProvider images(serial);  // TODO 5: SerialImageProvider takes them from the computer instead.

    // TODO 1: create the model.

    while (true) {
        const uint8_t *pixels = images.next();  // red, green, blue of each pixel, row by row, 0 to 255

        // TODO 2: put all pixels into the model, as in training: (pixel - 128) / 128.

        Stopwatch stopwatch;
        // TODO 3: run the model.
        const uint32_t microseconds = stopwatch.microseconds();

        float score = 0.0f;  // TODO 4: read the model's output.

        led.show(score > 0.5f);
        serial.write_result(score, score > 0.5f ? "car" : "no car", microseconds);
    }
}
