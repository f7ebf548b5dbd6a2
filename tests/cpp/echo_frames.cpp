// Sends back every whole frame that comes on standard input.
#include <cstdio>

#include "Frame.h"

int main() {
    FrameReader reader;
    Frame frame;
    for (int byte = getchar(); byte != EOF; byte = getchar()) {
        if (reader.take(static_cast<uint8_t>(byte), frame)) {
            uint8_t bytes[Frame::max_encoded];
            fwrite(bytes, 1, static_cast<size_t>(frame.encode(bytes)), stdout);
        }
    }
}
