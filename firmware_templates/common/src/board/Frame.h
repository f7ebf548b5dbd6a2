// How bytes on a serial line become frames that survive log text, lost bytes and resets.
//
// A frame is    00  COBS( type, sequence (2 bytes), payload, CRC-32 (4 bytes) )  00    with little-endian numbers.
// COBS (Cheshire and Baker 1999) replaces every zero byte, so that a zero always means "a frame begins or ends
// here". What lies between two zeros and has no right checksum was log text or a broken frame, and is dropped.
#pragma once

#include <cstdint>

struct Frame {
    enum Type : uint8_t {  // at least 128, so that no frame starts like text
        // from the computer
        HELLO = 0x81,     // who are you?
        IMAGE = 0x82,     // a piece of an input: transfer (4), total bytes (4), offset (4), bytes
        QUERY = 0x83,     // what became of this transfer (4)?
        SET_BAUD = 0x84,  // talk at this rate (4) from now on
        SHOW = 0x85,      // send a photograph: transfer (4), then offset (4) of missing pieces, none for a new one
        // from the board
        READY = 0x91,    // the network: see EspSerialPort::send_ready
        RESULT = 0x92,   // transfer (4), microseconds (4), label length (1), label, scores (float32 each)
        ERROR = 0x93,    // transfer (4), text
        MISSING = 0x94,  // transfer (4), then offset (4) of pieces not yet received, at most 63
        PHOTO = 0x95,    // a piece of one: transfer (4), total bytes (4), CRC-32 of the whole (4), offset (4), bytes
    };
    static constexpr int max_payload = 256;
    static constexpr int overhead = 3 + 4;                               // type and sequence, checksum
    static constexpr int max_encoded = max_payload + overhead + 2 + 2;  // COBS adds at most 2 here, and the two zeros

    uint8_t type = 0;
    uint16_t sequence = 0;
    int size = 0;
    uint8_t payload[max_payload];

    // Numbers in the payload, `at` bytes from its start.
    uint32_t number(int at) const;
    void append(uint32_t number);
    void append(float number);
    void append(const void *bytes, int count);

    // Writes the frame, both zeros included, to `out` (max_encoded bytes) and returns its length.
    int encode(uint8_t *out) const;
    // Reads what lay between two zeros; false if that was no frame or a broken one.
    bool decode(const uint8_t *bytes, int count);
};

// The CRC-32 of Ethernet, gzip and Python's zlib.crc32.
uint32_t crc32(const uint8_t *bytes, int count);

// Collects received bytes until a frame is whole.
class FrameReader {
public:
    // True when this byte completed a frame, which is then in `frame`.
    bool take(uint8_t byte, Frame &frame);

private:
    uint8_t bytes_[Frame::max_encoded];
    int count_ = 0;
    bool too_long_ = false;
};
