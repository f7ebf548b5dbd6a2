#include "EspSerialPort.h"

#include <cstdio>
#include <cstring>

#include "../Model.h"
#include "Uart.h"

static constexpr char from_the_computer[] =
    "this program takes its inputs from the computer; for photographs flash the car application with its camera";
static constexpr char from_the_camera[] = "this program takes its images from the camera, not from the computer";

EspSerialPort::EspSerialPort() {
    uart::open();
    printf("%s: ready\n", Model::name);
}

// When the board listens for the first time, it describes its network. This also tells the computer that the board was
// reset and has lost the input.
void EspSerialPort::greet(char type) {
    if (input_type_ != type) {
        input_type_ = type;
        send_ready();
    }
}

void EspSerialPort::receive_input(void *input, int size, char type) {
    input_ = static_cast<uint8_t *>(input);
    input_size_ = size;
    greet(type);
    missing_ = -1;  // no transfer yet
    while (missing_ != 0) {  // stop at once: the next byte can belong to the next input
        listen(100);
    }
}

void EspSerialPort::answer(char type) {
    greet(type);
    do {
        listen(0);
    } while (bytes_read_ > 0);
}

// Takes one byte; waits until there is one.
void EspSerialPort::listen(int milliseconds) {
    if (next_byte_ == bytes_read_) {
        next_byte_ = 0;
        bytes_read_ = uart::read(bytes_, sizeof bytes_, milliseconds);
        doubt_new_baud();
    }
    Frame frame;
    if (next_byte_ < bytes_read_ && reader_.take(bytes_[next_byte_++], frame)) {
        new_baud_is_good_ = true;
        handle(frame);
    }
}

// If one side cannot use the new rate, no complete frame arrives: return to the rate at which the computer tries again.
void EspSerialPort::doubt_new_baud() {
    if (!new_baud_is_good_ && since_new_baud_.microseconds() > protocol::new_baud_microseconds) {
        new_baud_is_good_ = true;
        uart::set_baud(0);
    }
}

void EspSerialPort::handle(const Frame &frame) {
    switch (frame.type) {
        case protocol::HELLO:
            send_ready();
            break;
        case protocol::IMAGE:
            take_piece(frame);
            break;
        case protocol::QUERY:
            if (protocol::read_transfer(frame) == answered_) {
                send(answer_);
            } else if (input_ == nullptr) {
                refuse(protocol::read_transfer(frame), from_the_camera);
            } else {
                send_missing(protocol::read_transfer(frame));
            }
            break;
        case protocol::SET_BAUD:
            change_baud(protocol::read_baud(frame));
            break;
        case protocol::SHOW:
            take_question(frame);
            break;
    }
}

void EspSerialPort::take_piece(const Frame &frame) {
    const protocol::ImagePiece came = protocol::read_image(frame);
    if (came.transfer == answered_) {
        return;  // a late copy of an earlier input
    }
    if (input_ == nullptr) {
        refuse(came.transfer, from_the_camera);
        return;
    }
    if (came.transfer != transfer_ || missing_ < 0) {
        transfer_ = came.transfer;
        missing_ = (input_size_ + protocol::piece - 1) / protocol::piece;
        memset(received_, 0, sizeof received_);
    }
    if (came.total != static_cast<uint32_t>(input_size_) || missing_ > max_pieces_) {
        char text[80];
        snprintf(text, sizeof text, "the input has %d bytes, not %lu", input_size_,
                 static_cast<unsigned long>(came.total));
        write_error(text);
        missing_ = -1;
        return;
    }
    const int piece = static_cast<int>(came.offset / protocol::piece);
    const bool last = came.offset + protocol::piece >= came.total;
    if (came.offset % protocol::piece != 0 || came.offset >= came.total ||
        came.count != (last ? static_cast<int>(came.total - came.offset) : protocol::piece)) {
        return;
    }
    if (!has(piece)) {
        memcpy(input_ + came.offset, came.bytes, static_cast<size_t>(came.count));
        received_[piece / 8] |= 1 << piece % 8;
        missing_--;
    }
    if (last && missing_ > 0) {
        send_missing(came.transfer);  // sooner than the computer would ask
    }
}

void EspSerialPort::refuse(uint32_t transfer, const char *why) {
    transfer_ = transfer;
    write_error(why);
    transfer_ = 0;  // the program's next result does not belong to this input
}

// If the computer asks for a photograph that is not being sent, the board takes a new one. The checksum in each piece
// tells the computer which pieces belong together.
void EspSerialPort::take_question(const Frame &frame) {
    const uint32_t transfer = protocol::read_transfer(frame);
    if (input_ != nullptr) {
        refuse(transfer, from_the_computer);
    } else if (photo_ == nullptr || transfer != shown_) {
        wanted_ = transfer;
    } else {
        since_question_.restart();
        const int count = protocol::count_offsets(frame);
        if (count == 0) {
            send_photo(0);
        }
        for (int i = 0; i < count; i++) {
            send_photo(static_cast<int>(protocol::read_offset(frame, i)));
        }
    }
}

bool EspSerialPort::show(const uint8_t *picture, int size) {
    if (wanted_ == 0) {
        return false;
    }
    shown_ = wanted_;
    wanted_ = 0;
    photo_ = picture;
    photo_size_ = size;
    photo_crc_ = crc32(picture, size);
    for (int offset = 0; offset < size; offset += protocol::piece) {
        send_photo(offset);
    }
    since_question_.restart();
    while (wanted_ == 0 && since_question_.microseconds() < protocol::photo_microseconds) {
        listen(100);
    }
    photo_ = nullptr;
    return wanted_ != 0;
}

void EspSerialPort::send_photo(int offset) {
    if (offset < 0 || offset >= photo_size_ || offset % protocol::piece != 0) {
        return;
    }
    Frame frame;
    frame.type = protocol::PHOTO;
    const int count = offset + protocol::piece < photo_size_ ? protocol::piece : photo_size_ - offset;
    protocol::write_photo(frame, shown_, static_cast<uint32_t>(photo_size_), photo_crc_, static_cast<uint32_t>(offset),
                          photo_ + offset, count);
    send(frame);
}

void EspSerialPort::send_missing(uint32_t transfer) {
    Frame frame;
    frame.type = protocol::MISSING;
    protocol::begin_missing(frame, transfer);
    const bool known = transfer == transfer_ && missing_ >= 0;
    bool fits = true;
    for (int offset = 0; offset < input_size_ && fits; offset += protocol::piece) {
        if (!known || !has(offset / protocol::piece)) {
            fits = protocol::add_offset(frame, static_cast<uint32_t>(offset));
        }
    }
    send(frame);
}

void EspSerialPort::write_result(float score, uint32_t microseconds) {
    printf("%.4f in %lu us\n", score, static_cast<unsigned long>(microseconds));
    write_result(&score, 1, "", microseconds);
}

void EspSerialPort::write_result(const char *label, uint32_t microseconds) {
    printf("%s in %lu us\n", label, static_cast<unsigned long>(microseconds));
    write_result(nullptr, 0, label, microseconds);
}

void EspSerialPort::write_result(float score, const char *label, uint32_t microseconds) {
    printf("%s: %.4f in %lu us\n", label, score, static_cast<unsigned long>(microseconds));
    write_result(&score, 1, label, microseconds);
}

void EspSerialPort::write_result(const float *scores, int count, const char *label, uint32_t microseconds) {
    answered_ = transfer_;
    answer_.type = protocol::RESULT;
    protocol::write_result(answer_, transfer_, microseconds, label, scores, count);
    send(answer_);
}

void EspSerialPort::write_error(const char *text) {
    printf("error: %s\n", text);
    answered_ = transfer_;
    answer_.type = protocol::ERROR;
    protocol::write_error(answer_, transfer_, text);
    send(answer_);
}

void EspSerialPort::send_ready() {
    Frame frame;
    frame.type = protocol::READY;
    protocol::Ready ready;
    ready.input_type = input_type_;
    ready.network_type = Model::is_quantized ? 'b' : 'f';
    ready.rank = Model::input_rank;
    ready.shape = Model::input_shape;
    ready.output_size = Model::output_size;
    ready.input_scale = Model::input_scale();
    ready.input_zero_point = Model::input_zero_point();
    ready.output_scale = Model::output_scale();
    ready.output_zero_point = Model::output_zero_point();
    ready.arena_size = Model::arena_size;
    ready.name = Model::name;
    protocol::write_ready(frame, ready);
    send(frame);
}

void EspSerialPort::change_baud(uint32_t baud) {
    Frame frame;
    frame.type = protocol::SET_BAUD;
    protocol::write_baud(frame, baud);
    send(frame);
    uart::set_baud(baud);
    new_baud_is_good_ = false;
    since_new_baud_.restart();
}

void EspSerialPort::send(Frame &frame) {
    frame.sequence = sequence_++;
    uint8_t bytes[Frame::max_encoded];
    fflush(stdout);  // earlier text is sent before the frame
    uart::write(bytes, frame.encode(bytes));
}
