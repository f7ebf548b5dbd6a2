// Takes images from the camera: the ESP-EYE's OV2640, or the simulated board's pictures (see esp/ and sim/).
#pragma once

#include "EspSerialPort.h"
#include "ImageProvider.h"

class CameraImageProvider : public ImageProvider {
public:
    explicit CameraImageProvider(EspSerialPort &serial);

    // Answers the computer's questions, then takes a picture. If the computer asked for a photograph, sends the picture to it.
    const uint8_t *next() override;

private:
    EspSerialPort &serial_;
};
