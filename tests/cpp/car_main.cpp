// The reference solution of the car lesson's program.
#include "Model.h"
#include "board/CameraImageProvider.h"
#include "board/EspSerialPort.h"
#include "board/Led.h"
#include "board/SerialImageProvider.h"
#include "board/Stopwatch.h"

extern "C" void app_main() {
    EspSerialPort serial;
    Led led;
    CameraImageProvider images(serial);

    Model model;

    while (true) {
        const uint8_t *pixels = images.next();

        for (int i = 0; i < Model::input_size; i++) {
            model.set_input(i, (pixels[i] - 128) / 128.0f);
        }

        Stopwatch stopwatch;
        model.invoke();
        const uint32_t microseconds = stopwatch.microseconds();

        float score = model.output(0);

        led.show(score > 0.5f);
        serial.write_result(score, score > 0.5f ? "car" : "no car", microseconds);
    }
}
