#include "Frame.h"

#include <cstring>

uint32_t crc32(const uint8_t *bytes, int count) {
    uint32_t crc = 0xFFFFFFFF;
    for (int i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
        }
    }
    return ~crc;
}

int Frame::encode(uint8_t *out) const {
    uint8_t plain[protocol::max_payload + overhead];
    plain[0] = type;
    plain[1] = static_cast<uint8_t>(sequence);
    plain[2] = static_cast<uint8_t>(sequence >> 8);
    memcpy(plain + 3, payload, size);
    const uint32_t crc = crc32(plain, 3 + size);
    for (int i = 0; i < 4; i++) {
        plain[3 + size + i] = static_cast<uint8_t>(crc >> 8 * i);
    }

    // COBS: each code byte replaces a zero and is the distance to the next one.
    int length = 0;
    out[length++] = 0;
    int code_at = length++;
    uint8_t code = 1;
    for (int i = 0; i < size + overhead; i++) {
        if (plain[i] != 0) {
            out[length++] = plain[i];
            code++;
        }
        if (plain[i] == 0 || code == 0xFF) {
            out[code_at] = code;
            code_at = length++;
            code = 1;
        }
    }
    out[code_at] = code;
    out[length++] = 0;
    return length;
}

bool Frame::decode(const uint8_t *bytes, int count) {
    uint8_t plain[protocol::max_payload + overhead + 2];
    int length = 0;
    for (int i = 0; i < count;) {
        const int code = bytes[i++];
        if (code == 0 || i + code - 1 > count || length + code > static_cast<int>(sizeof plain)) {
            return false;
        }
        memcpy(plain + length, bytes + i, code - 1);
        length += code - 1;
        i += code - 1;
        if (code != 0xFF && i < count) {
            plain[length++] = 0;
        }
    }
    if (length < overhead || length - overhead > protocol::max_payload) {
        return false;
    }
    uint32_t crc = 0;
    for (int i = 0; i < 4; i++) {
        crc |= static_cast<uint32_t>(plain[length - 4 + i]) << 8 * i;
    }
    if (crc != crc32(plain, length - 4)) {
        return false;
    }
    type = plain[0];
    sequence = static_cast<uint16_t>(plain[1] | plain[2] << 8);
    size = length - overhead;
    memcpy(payload, plain + 3, size);
    return true;
}

bool FrameReader::take(uint8_t byte, Frame &frame) {
    if (byte != 0) {
        too_long_ = count_ == static_cast<int>(sizeof bytes_);
        if (!too_long_) {
            bytes_[count_++] = byte;
        }
        return false;
    }
    const bool whole = count_ > 0 && !too_long_ && frame.decode(bytes_, count_);
    count_ = 0;
    too_long_ = false;
    return whole;
}
