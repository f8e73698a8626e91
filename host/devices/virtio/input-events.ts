/**
 * What input devices report: the types and codes of Linux's evdev (include/uapi/linux/input-event-codes.h), which virtio
 * 1.2 section 5.8 uses.
 */
export const EV_SYN = 0;
export const EV_KEY = 1;
export const EV_REL = 2;
export const EV_ABS = 3;
export const EV_LED = 0x11;
export const EV_REP = 0x14;

export const SYN_REPORT = 0;

export const REL_WHEEL = 8;
export const REL_HWHEEL = 6;
export const ABS_X = 0;
export const ABS_Y = 1;

export const BTN_LEFT = 0x110;
export const BTN_RIGHT = 0x111;
export const BTN_MIDDLE = 0x112;
export const BTN_SIDE = 0x113;
export const BTN_EXTRA = 0x114;

/** Keys of a keyboard are numbered from 1 up to this. */
export const KEY_MAX_OF_KEYBOARD = 248;
export const LED_NUM_LOCK = 0;
export const LED_CAPS_LOCK = 1;
export const LED_SCROLL_LOCK = 2;

/** Something that has happened, as the guest is told. */
export interface InputEvent {
  readonly type: number;
  readonly code: number;
  /** 32 bits, signed. */
  readonly value: number;
}
