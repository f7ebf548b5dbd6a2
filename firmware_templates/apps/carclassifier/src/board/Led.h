// The white LED of the ESP-EYE; the simulated board prints a line whenever it changes.
#pragma once

class Led {
public:
    Led();  // off
    void show(bool on);
};
