// The serial line of the ESP-EYE: UART 0, connected to USB through the CP2102N; the console writes to it too.
#include "../Uart.h"

#include <cstdlib>

#include "driver/uart.h"
#include "driver/uart_vfs.h"
#include "freertos/FreeRTOS.h"
#include "sdkconfig.h"

namespace uart {

static constexpr uart_port_t port = UART_NUM_0;

// This function is used instead of assert() and ESP_ERROR_CHECK(): with assertions disabled, assert() does not make the
// call that it checks, and ESP_ERROR_CHECK() continues after an error.
static void check(esp_err_t error) {
    if (error != ESP_OK) {
        abort();
    }
}

void open() {
    constexpr int receive_buffer = 8192;  // for bytes that arrive while the network runs
    constexpr int send_buffer = 0;        // a write returns once its bytes are in the hardware's queue
    check(uart_driver_install(port, receive_buffer, send_buffer, 0, nullptr, 0));
    set_baud(0);
    uart_vfs_dev_use_driver(port);  // so that printf and the frames use the same driver, in turn
}

int read(uint8_t *bytes, int count, int milliseconds) {
    // Wait for the first byte; then take the bytes that have already arrived.
    if (uart_read_bytes(port, bytes, 1, pdMS_TO_TICKS(milliseconds)) < 1) {
        return 0;
    }
    size_t waiting = 0;
    uart_get_buffered_data_len(port, &waiting);
    if (waiting > static_cast<size_t>(count - 1)) {
        waiting = static_cast<size_t>(count - 1);
    }
    const int more = waiting ? uart_read_bytes(port, bytes + 1, waiting, 0) : 0;
    return more > 0 ? 1 + more : 1;
}

void write(const uint8_t *bytes, int count) { uart_write_bytes(port, bytes, static_cast<size_t>(count)); }

void set_baud(uint32_t baud) {
    uart_wait_tx_done(port, portMAX_DELAY);
    uart_set_baudrate(port, baud ? baud : CONFIG_ESP_CONSOLE_UART_BAUDRATE);
}

}  // namespace uart
