// The simulated board's camera: gives the .ppm pictures in the project's folder camera/ one after the other, or colour
// bars if there are none, as the OV2640 does in its test mode.
#include "../CameraImageProvider.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <string>
#include <unistd.h>
#include <vector>

#ifndef CAMERA_FOLDER  // platforms/simulator names the project's
#define CAMERA_FOLDER "camera"
#endif

static uint8_t pixels[Model::input_size];

static std::vector<std::string> pictures() {
    std::vector<std::string> found;
    if (DIR *folder = opendir(CAMERA_FOLDER)) {
        while (const dirent *entry = readdir(folder)) {
            const char *ending = strrchr(entry->d_name, '.');
            if (ending && strcmp(ending, ".ppm") == 0) {
                found.push_back(std::string(CAMERA_FOLDER "/") + entry->d_name);
            }
        }
        closedir(folder);
    }
    std::sort(found.begin(), found.end());
    return found;
}

static void read(const std::string &path) {
    const int height = Model::input_shape(0), width = Model::input_shape(1);
    int columns = 0, rows = 0, brightest = 0;
    FILE *file = fopen(path.c_str(), "rb");
    const bool good = file && fscanf(file, "P6 %d %d %d", &columns, &rows, &brightest) == 3 && fgetc(file) != EOF &&
                      columns == width && rows == height && brightest == 255 &&
                      fread(pixels, 1, sizeof pixels, file) == sizeof pixels;
    if (file) {
        fclose(file);
    }
    if (!good) {
        printf("error: %s is not a PPM picture of %d x %d pixels\n", path.c_str(), width, height);
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
    static size_t taken = 0;
    usleep(100000);  // ten pictures a second
    const std::vector<std::string> found = pictures();
    if (found.empty()) {
        draw_colour_bars();
    } else {
        read(found[taken++ % found.size()]);
    }
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
