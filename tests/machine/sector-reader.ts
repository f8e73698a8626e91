const SWITCH_OFF = `
    li t0, TEST
    li t1, 0x5555
    sw t1, 0(t0)
    j .`;

/** Reads the first sector of the disk in slot 0, counts how long that takes, and prints the sector's first byte. */
export const READ_SECTOR = `
    li s0, 0x10001000
    li t0, 3
    sw t0, 0x70(s0)
    li t0, 1
    sw t0, 0x24(s0)
    sw t0, 0x20(s0)
    li t0, 11
    sw t0, 0x70(s0)
    sw zero, 0x30(s0)
    li t0, 8
    sw t0, 0x38(s0)
    la t0, descriptors
    sw t0, 0x80(s0)
    la t0, available
    sw t0, 0x90(s0)
    la t0, used
    sw t0, 0xa0(s0)
    li t0, 1
    sw t0, 0x44(s0)
    li t0, 15
    sw t0, 0x70(s0)
    la t1, descriptors
    la t0, header
    sd t0, 0(t1)
    la t0, data
    sd t0, 16(t1)
    la t0, status
    sd t0, 32(t1)
    la t1, available
    li t0, 1
    sh t0, 2(t1)
    sw zero, 0x50(s0)
    la t1, used
    li s1, 0
  poll:
    addi s1, s1, 1
    lhu t0, 2(t1)
    beqz t0, poll
    la t1, count
    sd s1, 0(t1)
    la t1, data
    lbu t0, 0(t1)
    li t1, UART
    sb t0, 0(t1)
    ${SWITCH_OFF}
  .align 4
  descriptors:
    .dword 0; .word 16; .half 1, 1
    .dword 0; .word 512; .half 3, 2
    .dword 0; .word 1; .half 2, 0
  .align 4
  available: .zero 32
  .align 4
  used: .zero 128
  header: .zero 16
  data: .zero 512
  status: .byte 255
  .align 3
  count: .dword 0
  `;

/** The same; then, for the first key, puts "!" in place of that byte, prints "." and sends back what is typed, for ever. */
export const CHANGE_SECTOR = READ_SECTOR.replace(
  SWITCH_OFF,
  `
  key:
    lbu t0, 5(t1)
    andi t0, t0, 1
    beqz t0, key
    lbu t0, 0(t1)
    la t1, header
    li t0, 1
    sw t0, 0(t1)
    la t1, data
    li t0, 33
    sb t0, 0(t1)
    la t1, descriptors
    li t0, 1
    sh t0, 28(t1)
    la t1, available
    sh zero, 6(t1)
    li t0, 2
    sh t0, 2(t1)
    sw zero, 0x50(s0)
    la t1, used
    li t2, 2
  written:
    lhu t0, 2(t1)
    bne t0, t2, written
    li t1, UART
    li t0, 46
    sb t0, 0(t1)
  echo:
    lbu t0, 5(t1)
    andi t0, t0, 1
    beqz t0, echo
    lbu t0, 0(t1)
    sb t0, 0(t1)
    j echo`,
);
