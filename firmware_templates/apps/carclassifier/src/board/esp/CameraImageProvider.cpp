// The ESP-EYE's camera. The pins and the vertical flip are those of Espressif's own examples for this board.
#include "../CameraImageProvider.h"

#include <cstdio>
#include <cstdlib>

#include "driver/gpio.h"
#include "esp_camera.h"

static constexpr int side = 96;

static void start() {
    // Pins 13 and 14 belong to the debugger after a reset: make them inputs.
    gpio_config_t inputs = {};
    inputs.pin_bit_mask = 1ULL << 13 | 1ULL << 14;
    inputs.mode = GPIO_MODE_INPUT;
    inputs.pull_up_en = GPIO_PULLUP_ENABLE;
    gpio_config(&inputs);

    camera_config_t camera = {};
    camera.pin_pwdn = -1;
    camera.pin_reset = -1;
    camera.pin_xclk = 4;
    camera.pin_sccb_sda = 18;
    camera.pin_sccb_scl = 23;
    camera.pin_d7 = 36;
    camera.pin_d6 = 37;
    camera.pin_d5 = 38;
    camera.pin_d4 = 39;
    camera.pin_d3 = 35;
    camera.pin_d2 = 14;
    camera.pin_d1 = 13;
    camera.pin_d0 = 34;
    camera.pin_vsync = 5;
    camera.pin_href = 27;
    camera.pin_pclk = 25;
    camera.xclk_freq_hz = 20000000;
    camera.ledc_timer = LEDC_TIMER_0;
    camera.ledc_channel = LEDC_CHANNEL_0;
    camera.pixel_format = PIXFORMAT_RGB565;
    camera.frame_size = FRAMESIZE_96X96;  // the middle square of the picture, scaled down by the sensor
    camera.fb_count = 2;
    camera.fb_location = CAMERA_FB_IN_DRAM;
    camera.grab_mode = CAMERA_GRAB_LATEST;  // a new picture, not one taken while the network was running
    if (const esp_err_t error = esp_camera_init(&camera)) {
        printf("error: the camera does not start: %s\n", esp_err_to_name(error));
        abort();
    }
    sensor_t *sensor = esp_camera_sensor_get();
    sensor->set_vflip(sensor, 1);
}

static uint8_t pixels[Model::input_size];

static void take() {
    camera_fb_t *picture = esp_camera_fb_get();
    if (picture == nullptr || picture->len != side * side * 2) {
        printf("error: the camera gave no picture\n");
        abort();
    }
    // A pixel has 5, 6 and 5 bits of red, green and blue, the upper byte first. The upper bits are copied into the lower
    // bits, so that the brightest value is 255.
    for (int i = 0; i < side * side; i++) {
        const int bits = picture->buf[2 * i] << 8 | picture->buf[2 * i + 1];
        const int red = bits >> 11, green = bits >> 5 & 63, blue = bits & 31;
        pixels[3 * i] = static_cast<uint8_t>(red << 3 | red >> 2);
        pixels[3 * i + 1] = static_cast<uint8_t>(green << 2 | green >> 4);
        pixels[3 * i + 2] = static_cast<uint8_t>(blue << 3 | blue >> 2);
    }
    esp_camera_fb_return(picture);
}

CameraImageProvider::CameraImageProvider(EspSerialPort &serial) : serial_(serial) {
    static_assert(Model::input_size == side * side * 3, "the camera takes pictures of 96 x 96 pixels");
    start();
}

const uint8_t *CameraImageProvider::next() {
    do {
        serial_.answer('u');
        take();
    } while (serial_.show(pixels, sizeof pixels));
    return pixels;
}
