#include "../Led.h"

#include <cstdio>

static bool shines = false;

Led::Led() { shines = false; }

void Led::show(bool on) {
    if (on != shines) {
        shines = on;
        printf("(the light is %s)\n", on ? "on" : "off");
    }
}
