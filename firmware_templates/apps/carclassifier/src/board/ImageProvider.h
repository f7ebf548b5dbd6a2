// The source of images: the camera, or the computer.
#pragma once

#include <cstdint>

#include "../Model.h"

class ImageProvider {
public:
    static_assert(Model::input_rank == 3, "the network takes no image");

    virtual ~ImageProvider() = default;
    // Waits for the next image: red, green and blue of each pixel, row by row, from 0 to 255; Model::input_size bytes.
    virtual const uint8_t *next() = 0;
};
