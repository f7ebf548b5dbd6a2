// The serial protocol: the types of frames, their sizes, and the layout of every payload. The computer's side is
// edgekit/board/protocol.py; tests/board/test_protocol.py checks that both agree. Numbers are little-endian.
#pragma once

#include <cstdint>
#include <cstring>

namespace protocol {

constexpr int version = 1;        // READY carries it
constexpr int max_payload = 256;  // bytes
constexpr int piece = 240;        // bytes of an input or of a photograph in one frame
constexpr int max_offsets = 63;   // of missing pieces in one frame
constexpr int max_label = 64;     // bytes of a verdict in words
constexpr int max_error = 200;    // bytes of an error's text
constexpr uint32_t new_baud_microseconds = 2000000;  // a new rate is given up after this time without a whole frame
constexpr uint32_t photo_microseconds = 2000000;  // a photograph is given up after this time without a question
static_assert(4 + 4 * max_offsets <= max_payload, "a transfer and the offsets fit in a payload");

enum Type : uint8_t {  // at least 128, so that no frame starts like text
    // from the computer
    HELLO = 0x81,  // asks for READY; no payload
    IMAGE = 0x82,  // one piece of an input: see read_image
    QUERY = 0x83,  // asks for the result of a transfer (4), or for its missing pieces
    SET_BAUD = 0x84,  // asks for this rate (4) from now on
    SHOW = 0x85,  // asks for a photograph: transfer (4), offsets (4 each) of missing pieces, none for a new one
    // from the board
    READY = 0x91,  // describes the network: see write_ready
    RESULT = 0x92,  // the network's answer: see write_result
    ERROR = 0x93,  // transfer (4), text
    MISSING = 0x94,  // transfer (4), offsets (4 each) of the pieces that have not arrived
    PHOTO = 0x95,  // one piece of a photograph: see write_photo
};

// The bytes of a payload, and the numbers in it.
struct Payload {
    int size = 0;
    uint8_t payload[max_payload];

    // The number at byte `at`; 0 if the payload ends before it.
    uint32_t number(int at) const {
        if (at + 4 > size) {
            return 0;
        }
        return payload[at] | payload[at + 1] << 8 | payload[at + 2] << 16 |
               static_cast<uint32_t>(payload[at + 3]) << 24;
    }

    // Adds bytes at the end; does nothing if they do not fit.
    void append(const void *bytes, int count) {
        if (count > 0 && count <= max_payload - size) {
            memcpy(payload + size, bytes, static_cast<size_t>(count));
            size += count;
        }
    }
    void append(uint8_t byte) { append(&byte, 1); }
    void append(uint32_t number) {
        const uint8_t bytes[4] = {static_cast<uint8_t>(number), static_cast<uint8_t>(number >> 8),
                                  static_cast<uint8_t>(number >> 16), static_cast<uint8_t>(number >> 24)};
        append(bytes, 4);
    }
    void append(float number) {
        uint32_t bits;
        memcpy(&bits, &number, sizeof bits);
        append(bits);
    }
};

// From the computer.

struct ImagePiece {
    uint32_t transfer;  // number of the input
    uint32_t total;  // bytes of the whole input
    uint32_t offset;  // of the first byte of this piece
    const uint8_t *bytes;
    int count;  // less than 0 if the frame is too short
};

// IMAGE: transfer (4), total (4), offset (4), bytes.
inline ImagePiece read_image(const Payload &from) {
    return {from.number(0), from.number(4), from.number(8), from.payload + 12, from.size - 12};
}

// QUERY and SHOW: the number of the input or photograph.
inline uint32_t read_transfer(const Payload &from) { return from.number(0); }

inline uint32_t read_baud(const Payload &from) { return from.number(0); }

// SHOW: how many offsets follow the transfer, and the i-th of them.
inline int count_offsets(const Payload &from) { return from.size > 4 ? (from.size - 4) / 4 : 0; }
inline uint32_t read_offset(const Payload &from, int i) { return from.number(4 + 4 * i); }

// From the board. Each function writes a whole payload.

struct Ready {
    char input_type;  // 'f' for float32 values, 'u' for uint8 pixels
    char network_type;  // 'f' for float32, 'b' for int8
    int rank;
    int (*shape)(int axis);
    int output_size;
    float input_scale;
    int input_zero_point;
    float output_scale;
    int output_zero_point;
    int arena_size;  // bytes
    const char *name;
};

// READY: version (1), input type (1), network type (1), rank (1), shape (4 each), outputs (4), scale (4) and zero point
// (4) of the input and of the output, arena bytes (4), name.
inline void write_ready(Payload &to, const Ready &ready) {
    to.size = 0;
    to.append(static_cast<uint8_t>(version));
    to.append(static_cast<uint8_t>(ready.input_type));
    to.append(static_cast<uint8_t>(ready.network_type));
    to.append(static_cast<uint8_t>(ready.rank));
    for (int axis = 0; axis < ready.rank; axis++) {
        to.append(static_cast<uint32_t>(ready.shape(axis)));
    }
    to.append(static_cast<uint32_t>(ready.output_size));
    to.append(ready.input_scale);
    to.append(static_cast<uint32_t>(ready.input_zero_point));
    to.append(ready.output_scale);
    to.append(static_cast<uint32_t>(ready.output_zero_point));
    to.append(static_cast<uint32_t>(ready.arena_size));
    to.append(ready.name, static_cast<int>(strlen(ready.name)));
}

// RESULT: transfer (4), microseconds (4), length of the label (1), label, scores (float32 each).
inline void write_result(Payload &to, uint32_t transfer, uint32_t microseconds, const char *label, const float *scores,
                         int count) {
    const uint8_t length = static_cast<uint8_t>(strnlen(label, max_label));
    to.size = 0;
    to.append(transfer);
    to.append(microseconds);
    to.append(length);
    to.append(label, length);
    for (int i = 0; i < count; i++) {
        to.append(scores[i]);
    }
}

// ERROR: transfer (4), text.
inline void write_error(Payload &to, uint32_t transfer, const char *text) {
    to.size = 0;
    to.append(transfer);
    to.append(text, static_cast<int>(strnlen(text, max_error)));
}

// MISSING: transfer (4), then add_offset for each piece.
inline void begin_missing(Payload &to, uint32_t transfer) {
    to.size = 0;
    to.append(transfer);
}
// Adds the offset of a missing piece; false if the payload is full.
inline bool add_offset(Payload &to, uint32_t offset) {
    if (to.size >= 4 + 4 * max_offsets) {
        return false;
    }
    to.append(offset);
    return true;
}

// SET_BAUD, the answer: the same rate (4).
inline void write_baud(Payload &to, uint32_t baud) {
    to.size = 0;
    to.append(baud);
}

// PHOTO: transfer (4), bytes of the whole (4), its CRC-32 (4), offset (4), bytes.
inline void write_photo(Payload &to, uint32_t transfer, uint32_t total, uint32_t crc, uint32_t offset,
                        const uint8_t *bytes, int count) {
    to.size = 0;
    to.append(transfer);
    to.append(total);
    to.append(crc);
    to.append(offset);
    to.append(bytes, count);
}

}  // namespace protocol
