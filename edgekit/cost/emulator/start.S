/* Code from the reset vector to main(), and the emulator's three services by `simcall`; a2 is the service's number. */

    .section .reset, "ax"
    .global reset
reset:
    j start
    .align 4
start_literals:
    .literal_position
start:
    movi a2, 0x20       /* after a reset PS.EXCM is set, and zero-overhead loops do not work */
    wsr a2, ps
    rsync
    movi a1, stack_end
    movi a2, bss_start
    movi a3, bss_end
    movi a4, 0
1:  bgeu a2, a3, 2f
    s32i a4, a2, 0
    addi a2, a2, 4
    j 1b
2:  movi a5, main
    callx0 a5
    mov a3, a2          /* main's result is the exit status */
    movi a2, 1          /* exit */
    simcall
3:  j 3b

    .text
    .global emulator_write
    .align 4
emulator_write:         /* void emulator_write(const char *text, int length) to standard output */
    mov a5, a3
    mov a4, a2
    movi a3, 1
    movi a2, 4          /* write */
    simcall
    ret

    .global emulator_ticks
    .align 4
emulator_ticks:         /* unsigned emulator_ticks(void) */
    rsr a2, 234         /* CCOUNT */
    ret
