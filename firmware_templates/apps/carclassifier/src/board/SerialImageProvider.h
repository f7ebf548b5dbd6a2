// Receives images from the computer over the serial line.
#pragma once

#include "EspSerialPort.h"
#include "ImageProvider.h"

class SerialImageProvider : public ImageProvider {
public:
    explicit SerialImageProvider(EspSerialPort &serial) : serial_(serial) {}

    const uint8_t *next() override {
        static uint8_t pixels[Model::input_size];  // too large for the stack
        serial_.receive_input(pixels, sizeof pixels, 'u');
        return pixels;
    }

private:
    EspSerialPort &serial_;
};
