// The white LED is at pin 22 (a red one at 21) and is on when the pin is high, as in Espressif's test of this board.
#include "../Led.h"

#include "driver/gpio.h"

static constexpr gpio_num_t pin = GPIO_NUM_22;

Led::Led() {
    gpio_reset_pin(pin);
    gpio_set_direction(pin, GPIO_MODE_OUTPUT);
    show(false);
}

void Led::show(bool on) { gpio_set_level(pin, on ? 1 : 0); }
