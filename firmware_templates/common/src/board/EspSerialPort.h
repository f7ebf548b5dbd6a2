// The board's side of the serial link: receives inputs, sends results. Text from printf goes over the same line.
#pragma once

#include <cstdint>

#include "Frame.h"
#include "Stopwatch.h"

class EspSerialPort {
public:
    EspSerialPort();
    EspSerialPort(const EspSerialPort &) = delete;
    EspSerialPort &operator=(const EspSerialPort &) = delete;

    // Waits until the computer has sent an input of `size` bytes; `type` is 'f' for float32 or 'u' for uint8 values.
    void receive_input(void *input, int size, char type);
    // Answers the computer's questions without waiting: for a program that takes its inputs from the camera.
    void answer(char type);
    // If the computer asked for a photograph, sends the picture that the camera has just taken, and waits until the
    // computer has it. True if the computer has already asked for the next one.
    bool show(const uint8_t *picture, int size);

    // Sends the network's answer to the last input, as text and as a frame.
    void write_result(float score, uint32_t microseconds);
    void write_result(const char *label, uint32_t microseconds);
    void write_result(float score, const char *label, uint32_t microseconds);
    void write_result(const float *scores, int count, const char *label, uint32_t microseconds);

    // Reports that the last input could not be classified, and why.
    void write_error(const char *text);

private:
    static constexpr int max_pieces_ = 512;

    bool has(int piece) const { return received_[piece / 8] & 1 << piece % 8; }
    void handle(const Frame &frame);
    void listen(int milliseconds);
    void greet(char type);
    void take_piece(const Frame &frame);
    void send(Frame &frame);
    void send_ready();
    void send_missing(uint32_t transfer);
    void refuse(uint32_t transfer, const char *why);
    void take_question(const Frame &frame);
    void send_photo(int offset);
    void change_baud(uint32_t baud);
    void doubt_new_baud();

    FrameReader reader_;
    uint16_t sequence_ = 0;
    uint8_t bytes_[64];
    int bytes_read_ = 0;
    int next_byte_ = 0;
    bool new_baud_is_good_ = true;
    Stopwatch since_new_baud_;

    // The input being received.
    uint8_t *input_ = nullptr;
    int input_size_ = 0;
    char input_type_ = 0;
    uint32_t transfer_ = 0;
    int missing_ = 0;
    uint8_t received_[max_pieces_ / 8] = {};

    // The photograph that the computer asked for, and the one that is being sent; 0 means none.
    uint32_t wanted_ = 0;
    uint32_t shown_ = 0;
    const uint8_t *photo_ = nullptr;
    int photo_size_ = 0;
    uint32_t photo_crc_ = 0;
    Stopwatch since_question_;

    // The last answer; it is sent again if it was lost and the computer asks for it.
    Frame answer_;
    uint32_t answered_ = 0;
};
