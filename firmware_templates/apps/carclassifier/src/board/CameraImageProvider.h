// Images from the camera: the ESP-EYE's OV2640, or the simulated board's pictures (see esp/ and sim/).
#pragma once

#include "EspSerialPort.h"
#include "ImageProvider.h"

class CameraImageProvider : public ImageProvider {
public:
    explicit CameraImageProvider(EspSerialPort &serial);

    // Takes a picture, after answering what the computer has asked meanwhile; one that the computer wants is sent to it.
    const uint8_t *next() override;

private:
    EspSerialPort &serial_;
};
