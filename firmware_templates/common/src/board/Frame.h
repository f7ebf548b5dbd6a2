// Frames on a serial line, which survive log text, lost bytes and resets.
//
// A frame is    00  COBS( type, sequence (2 bytes), payload, CRC-32 (4 bytes) )  00    with little-endian numbers.
// COBS (Cheshire and Baker 1999) replaces every zero byte, so that a zero always means "a frame begins or ends
// here". If the bytes between two zeros have a wrong checksum, they are log text or a damaged frame, and are dropped.
// Protocol.h describes the types and the payloads.
#pragma once

#include <cstdint>

#include "Protocol.h"

struct Frame : protocol::Payload {
    static constexpr int overhead = 3 + 4;  // type and sequence, checksum
    // COBS adds at most 2 bytes here; the two zeros come last.
    static constexpr int max_encoded = protocol::max_payload + overhead + 2 + 2;

    uint8_t type = 0;
    uint16_t sequence = 0;

    // Writes the frame, both zeros included, to `out` (max_encoded bytes) and returns its length.
    int encode(uint8_t *out) const;
    // Reads the bytes between two zeros; false if they are no frame or a damaged one.
    bool decode(const uint8_t *bytes, int count);
};

// The CRC-32 of Ethernet, gzip and Python's zlib.crc32.
uint32_t crc32(const uint8_t *bytes, int count);

// Collects received bytes until a frame is complete.
class FrameReader {
public:
    // True when this byte completed a frame, which is then in `frame`.
    bool take(uint8_t byte, Frame &frame);

private:
    uint8_t bytes_[Frame::max_encoded];
    int count_ = 0;
    bool too_long_ = false;
};
