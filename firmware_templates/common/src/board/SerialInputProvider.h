// Receives the network's inputs from the computer, one after the other, as real numbers.
#pragma once

#include "../Model.h"
#include "EspSerialPort.h"

class SerialInputProvider {
public:
    explicit SerialInputProvider(EspSerialPort &serial) : serial_(serial) {}

    // Waits for the next input.
    void next() { serial_.receive_input(values_, sizeof values_, 'f'); }
    // The i-th number of the input.
    float operator[](int i) const { return values_[i]; }

private:
    EspSerialPort &serial_;
    float values_[Model::input_size] = {};
};
