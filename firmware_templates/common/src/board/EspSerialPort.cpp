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

// The first time it listens the board says what it takes; the computer also learns that it was reset and has forgotten
// what it was sent.
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
    while (missing_ != 0) {  // and not a byte further: what follows may belong to the next input
        listen(100);
    }
}

void EspSerialPort::answer(char type) {
    greet(type);
    do {
        listen(0);
    } while (bytes_read_ > 0);
}

// Takes one byte, waiting for it if there is none yet.
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

// At a rate that one side cannot keep nothing arrives whole: go back to where the computer will look.
void EspSerialPort::doubt_new_baud() {
    if (!new_baud_is_good_ && since_new_baud_.microseconds() > 2000000) {
        new_baud_is_good_ = true;
        uart::set_baud(0);
    }
}

void EspSerialPort::handle(const Frame &frame) {
    switch (frame.type) {
        case Frame::HELLO:
            send_ready();
            break;
        case Frame::IMAGE:
            take_piece(frame);
            break;
        case Frame::QUERY:
            if (frame.number(0) == answered_) {
                send(answer_);
            } else if (input_ == nullptr) {
                refuse(frame.number(0), from_the_camera);
            } else {
                send_missing(frame.number(0));
            }
            break;
        case Frame::SET_BAUD:
            change_baud(frame.number(0));
            break;
        case Frame::SHOW:
            take_wish(frame);
            break;
    }
}

void EspSerialPort::take_piece(const Frame &frame) {
    const uint32_t transfer = frame.number(0);
    const uint32_t total = frame.number(4);
    const uint32_t offset = frame.number(8);
    const int count = frame.size - 12;
    if (transfer == answered_) {
        return;  // a late double
    }
    if (input_ == nullptr) {
        refuse(transfer, from_the_camera);
        return;
    }
    if (transfer != transfer_ || missing_ < 0) {
        transfer_ = transfer;
        missing_ = (input_size_ + piece_ - 1) / piece_;
        memset(received_, 0, sizeof received_);
    }
    if (total != static_cast<uint32_t>(input_size_) || missing_ > max_pieces_) {
        char text[80];
        snprintf(text, sizeof text, "the input has %d bytes, not %lu", input_size_, static_cast<unsigned long>(total));
        write_error(text);
        missing_ = -1;
        return;
    }
    const int piece = static_cast<int>(offset / piece_);
    const bool last = offset + piece_ >= total;
    if (offset % piece_ != 0 || offset >= total || count != (last ? static_cast<int>(total - offset) : piece_)) {
        return;
    }
    if (!has(piece)) {
        memcpy(input_ + offset, frame.payload + 12, count);
        received_[piece / 8] |= 1 << piece % 8;
        missing_--;
    }
    if (last && missing_ > 0) {
        send_missing(transfer);  // sooner than the computer would ask
    }
}

void EspSerialPort::refuse(uint32_t transfer, const char *why) {
    transfer_ = transfer;
    write_error(why);
    transfer_ = 0;  // what the program does next is no answer to this
}

// A wish for a photograph that is not being sent is one for a new one: the computer knows by the checksum in each piece
// which pieces belong together.
void EspSerialPort::take_wish(const Frame &frame) {
    const uint32_t transfer = frame.number(0);
    if (input_ != nullptr) {
        refuse(transfer, from_the_computer);
    } else if (photo_ == nullptr || transfer != shown_) {
        wanted_ = transfer;
    } else {
        since_wish_.restart();
        send_photo(frame.size > 4 ? static_cast<int>(frame.number(4)) : 0);
        for (int at = 8; at + 4 <= frame.size; at += 4) {
            send_photo(static_cast<int>(frame.number(at)));
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
    for (int offset = 0; offset < size; offset += piece_) {
        send_photo(offset);
    }
    since_wish_.restart();
    while (wanted_ == 0 && since_wish_.microseconds() < 2000000) {
        listen(100);
    }
    photo_ = nullptr;
    return wanted_ != 0;
}

void EspSerialPort::send_photo(int offset) {
    if (offset < 0 || offset >= photo_size_ || offset % piece_ != 0) {
        return;
    }
    Frame frame;
    frame.type = Frame::PHOTO;
    frame.append(shown_);
    frame.append(static_cast<uint32_t>(photo_size_));
    frame.append(photo_crc_);
    frame.append(static_cast<uint32_t>(offset));
    frame.append(photo_ + offset, offset + piece_ < photo_size_ ? piece_ : photo_size_ - offset);
    send(frame);
}

void EspSerialPort::send_missing(uint32_t transfer) {
    Frame frame;
    frame.type = Frame::MISSING;
    frame.append(transfer);
    const bool known = transfer == transfer_ && missing_ >= 0;
    for (int offset = 0; offset < input_size_ && frame.size + 4 <= Frame::max_payload; offset += piece_) {
        if (!known || !has(offset / piece_)) {
            frame.append(static_cast<uint32_t>(offset));
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
    answer_.type = Frame::RESULT;
    answer_.size = 0;
    answer_.append(transfer_);
    answer_.append(microseconds);
    const uint8_t length = static_cast<uint8_t>(strnlen(label, 64));
    answer_.append(&length, 1);
    answer_.append(label, length);
    for (int i = 0; i < count; i++) {
        answer_.append(scores[i]);
    }
    send(answer_);
}

void EspSerialPort::write_error(const char *text) {
    printf("error: %s\n", text);
    answered_ = transfer_;
    answer_.type = Frame::ERROR;
    answer_.size = 0;
    answer_.append(transfer_);
    answer_.append(text, static_cast<int>(strnlen(text, 200)));
    send(answer_);
}

// READY: protocol version, type of the input sent ('f' or 'u'), the network's own type ('f' or 'b' for int8), rank (a
// byte each); shape, number of outputs, scale and zero point of the input and of the output, arena bytes (4 bytes
// each); then the name.
void EspSerialPort::send_ready() {
    Frame frame;
    frame.type = Frame::READY;
    const uint8_t head[4] = {1, static_cast<uint8_t>(input_type_), static_cast<uint8_t>(Model::is_quantized ? 'b' : 'f'),
                             static_cast<uint8_t>(Model::input_rank)};
    frame.append(head, 4);
    for (int i = 0; i < Model::input_rank; i++) {
        frame.append(static_cast<uint32_t>(Model::input_shape(i)));
    }
    frame.append(static_cast<uint32_t>(Model::output_size));
    frame.append(Model::input_scale());
    frame.append(static_cast<uint32_t>(Model::input_zero_point()));
    frame.append(Model::output_scale());
    frame.append(static_cast<uint32_t>(Model::output_zero_point()));
    frame.append(static_cast<uint32_t>(Model::arena_size));
    frame.append(Model::name, static_cast<int>(strlen(Model::name)));
    send(frame);
}

void EspSerialPort::change_baud(uint32_t baud) {
    Frame frame;
    frame.type = Frame::SET_BAUD;
    frame.append(baud);
    send(frame);
    uart::set_baud(baud);
    new_baud_is_good_ = false;
    since_new_baud_.restart();
}

void EspSerialPort::send(Frame &frame) {
    frame.sequence = sequence_++;
    uint8_t bytes[Frame::max_encoded];
    fflush(stdout);  // texts written before keep their place
    uart::write(bytes, frame.encode(bytes));
}
