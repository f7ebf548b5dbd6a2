// The white light of the ESP-EYE; the simulated board's is a line of text whenever it changes.
#pragma once

class Led {
public:
    Led();  // dark
    void show(bool on);
};
