/* The emulated core starts at its reset vector, far from the program's memory. */
    .section .reset, "ax"
    .global _reset
_reset:
    j       1f
    .align  4
    .literal_position
1:  movi    a0, _start
    jx      a0

    .text
    .literal_position
    .global _start
    .align  4
_start:
    movi    a1, _stack_top
    movi    a0, 0
    call0   main
    mov     a3, a2           /* main's result is the exit status */
    movi    a2, 1            /* simcall 1: exit(a3) */
    simcall
1:  j       1b

/* int sim_write(int file, const void *bytes, int count) */
    .global sim_write
    .align  4
sim_write:
    mov     a5, a4
    mov     a4, a3
    mov     a3, a2
    movi    a2, 4            /* simcall 4: write(a3, a4, a5) */
    simcall
    ret

/* unsigned cycle_count(void) */
    .global cycle_count
    .align  4
cycle_count:
    rsr     a2, ccount
    ret
