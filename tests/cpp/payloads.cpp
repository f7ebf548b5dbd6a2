// Writes every payload of the board, or reads every payload of the computer, for tests/board/test_protocol.py.
#include <cstdio>
#include <cstring>

#include "Frame.h"

static int shape(int axis) { return axis == 2 ? 3 : 96 + axis; }

static void send(Frame &frame, protocol::Type type) {
    static uint16_t sequence = 0;
    frame.type = type;
    frame.sequence = sequence++;
    uint8_t bytes[Frame::max_encoded];
    fwrite(bytes, 1, static_cast<size_t>(frame.encode(bytes)), stdout);
}

static void write_all() {
    Frame frame;
    protocol::write_ready(frame, {'u', 'b', 3, shape, 2, 0.0078125f, -1, 0.00390625f, -128, 55296, "car"});
    send(frame, protocol::READY);
    const float scores[] = {0.25f, -1.5f};
    protocol::write_result(frame, 0x01020304, 380000, "no car", scores, 2);
    send(frame, protocol::RESULT);
    protocol::write_error(frame, 0xFFFFFFFF, "no camera");
    send(frame, protocol::ERROR);
    protocol::begin_missing(frame, 7);
    for (uint32_t offset = 0; protocol::add_offset(frame, offset); offset += protocol::piece) {
    }
    send(frame, protocol::MISSING);
    protocol::write_baud(frame, 921600);
    send(frame, protocol::SET_BAUD);
    uint8_t picture[protocol::piece];
    for (int i = 0; i < protocol::piece; i++) {
        picture[i] = static_cast<uint8_t>(i);
    }
    protocol::write_photo(frame, 8, 243, 0xDEADBEEF, 0, picture, protocol::piece);
    send(frame, protocol::PHOTO);
    protocol::write_photo(frame, 8, 243, 0xDEADBEEF, 240, picture, 3);
    send(frame, protocol::PHOTO);
}

static void read_all() {
    FrameReader reader;
    Frame frame;
    for (int byte = getchar(); byte != EOF; byte = getchar()) {
        if (!reader.take(static_cast<uint8_t>(byte), frame)) {
            continue;
        }
        const unsigned long transfer = protocol::read_transfer(frame);
        switch (frame.type) {
            case protocol::HELLO:
                printf("HELLO %d\n", frame.size);
                break;
            case protocol::IMAGE: {
                const protocol::ImagePiece piece = protocol::read_image(frame);
                printf("IMAGE %lu %lu %lu ", static_cast<unsigned long>(piece.transfer),
                       static_cast<unsigned long>(piece.total), static_cast<unsigned long>(piece.offset));
                for (int i = 0; i < piece.count; i++) {
                    printf("%02x", piece.bytes[i]);
                }
                printf("\n");
                break;
            }
            case protocol::QUERY:
                printf("QUERY %lu\n", transfer);
                break;
            case protocol::SET_BAUD:
                printf("SET_BAUD %lu\n", static_cast<unsigned long>(protocol::read_baud(frame)));
                break;
            case protocol::SHOW:
                printf("SHOW %lu", transfer);
                for (int i = 0; i < protocol::count_offsets(frame); i++) {
                    printf(" %lu", static_cast<unsigned long>(protocol::read_offset(frame, i)));
                }
                printf("\n");
                break;
        }
    }
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "read") == 0) {
        read_all();
    } else {
        write_all();
    }
}
