// The simulated board's camera: gives the .ppm pictures in the project's folder camera/ one after the other, or colour
// bars if there are none, as the OV2640 does in its test mode.
#include "../CameraImageProvider.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <unistd.h>

#ifndef CAMERA_FOLDER  // platforms/simulator names the project's
#define CAMERA_FOLDER "camera"
#endif
#ifndef CAMERA_MICROSECONDS  // from one picture to the next
#define CAMERA_MICROSECONDS 100000
#endif

static uint8_t pixels[Model::input_size];

static int is_picture(const dirent *entry) {
    const char *ending = strrchr(entry->d_name, '.');
    return ending && strcmp(ending, ".ppm") == 0;
}

static void read(const char *name) {
    const int height = Model::input_shape(0), width = Model::input_shape(1);
    int columns = 0, rows = 0, brightest = 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", CAMERA_FOLDER, name);
    FILE *file = fopen(path, "rb");
    const bool good = file && fscanf(file, "P6 %d %d %d", &columns, &rows, &brightest) == 3 && fgetc(file) != EOF &&
                      columns == width && rows == height && brightest == 255 &&
                      fread(pixels, 1, sizeof pixels, file) == sizeof pixels;
    if (file) {
        fclose(file);
    }
    if (!good) {
        printf("error: %s is not a PPM picture of %d x %d pixels\n", path, width, height);
        abort();
    }
}

static void draw_colour_bars() {
    const int width = Model::input_shape(1);
    for (int i = 0; i < Model::input_size / 3; i++) {
        const int bar = 7 - i % width * 8 / width;  // white, yellow, cyan, green, magenta, red, blue, black
        pixels[3 * i] = bar & 2 ? 255 : 0;
        pixels[3 * i + 1] = bar & 4 ? 255 : 0;
        pixels[3 * i + 2] = bar & 1 ? 255 : 0;
    }
}

static void take() {
    static int taken = 0;
    usleep(CAMERA_MICROSECONDS);
    dirent **found = nullptr;
    const int count = scandir(CAMERA_FOLDER, &found, is_picture, alphasort);  // -1 where there is no folder
    if (count <= 0) {
        draw_colour_bars();
    } else {
        read(found[taken++ % count]->d_name);
    }
    for (int i = 0; i < count; i++) {
        free(found[i]);
    }
    free(found);
}

CameraImageProvider::CameraImageProvider(EspSerialPort &serial) : serial_(serial) {
    static_assert(Model::input_size % 3 == 0, "the camera sees red, green and blue");
}

const uint8_t *CameraImageProvider::next() {
    do {
        serial_.answer('u');
        take();
    } while (serial_.show(pixels, sizeof pixels));
    return pixels;
}
