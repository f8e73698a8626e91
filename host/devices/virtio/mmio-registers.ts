/**
 * Virtio over memory-mapped registers: version 2, and version 1, the legacy interface.
 *
 * | offset       | access | register                                                                   |
 * |--------------|--------|----------------------------------------------------------------------------|
 * | 0x000        | r      | MagicValue: "virt"                                                         |
 * | 0x004        | r      | Version: 2, or 1 of the legacy interface                                   |
 * | 0x008        | r      | DeviceID; 0 where there is no device                                       |
 * | 0x00c        | r      | VendorID                                                                   |
 * | 0x010        | r      | DeviceFeatures: 32 of them, chosen by DeviceFeaturesSel                    |
 * | 0x014        | w      | DeviceFeaturesSel                                                          |
 * | 0x020        | w      | DriverFeatures: 32 of them, chosen by DriverFeaturesSel                    |
 * | 0x024        | w      | DriverFeaturesSel                                                          |
 * | 0x028        | w      | version 1: GuestPageSize, the unit of QueuePFN                             |
 * | 0x030        | w      | QueueSel: the queue that the other Queue registers are about               |
 * | 0x034        | r      | QueueNumMax: its largest size; 0 where there is no such queue              |
 * | 0x038        | w      | QueueNum: its size                                                         |
 * | 0x03c        | w      | version 1: QueueAlign, what the used ring's address is a multiple of       |
 * | 0x040        | rw     | version 1: QueuePFN, the page that the queue begins in; 0: it is not ready |
 * | 0x044        | rw     | version 2: QueueReady                                                      |
 * | 0x050        | w      | QueueNotify: index of a queue with new buffers                             |
 * | 0x060        | r      | InterruptStatus: bit 0 used buffers, bit 1 configuration change            |
 * | 0x064        | w      | InterruptACK: bits to clear in InterruptStatus                             |
 * | 0x070        | rw     | Status; 0 resets the device                                                |
 * |              |        | all others are of version 2:                                               |
 * | 0x080, 0x084 | w      | QueueDescLow, QueueDescHigh: descriptor table                              |
 * | 0x090, 0x094 | w      | QueueDriverLow, QueueDriverHigh: available ring                            |
 * | 0x0a0, 0x0a4 | w      | QueueDeviceLow, QueueDeviceHigh: used ring                                 |
 * | 0x0b0, 0x0b4 | r      | SHMLenLow, SHMLenHigh: all ones, no shared memory                          |
 * | 0x0b8, 0x0bc | r      | SHMBaseLow, SHMBaseHigh: all ones                                          |
 * | 0x0fc        | r      | ConfigGeneration: changes with the configuration space                     |
 * | 0x100 ...    | rw     | configuration space, in any width                                          |
 *
 * The registers below 0x100 are 32 bits wide; other accesses reach nothing.
 *
 * Source: virtio 1.2 section 4.2 (MMIO; 4.2.4 is the legacy interface), section 2.1 (device status), section 3.1
 * (initialization).
 */
export const MMIO_WINDOW_BYTE_LENGTH = 0x1000;

export const MAGIC_VALUE = 0x000;
export const VERSION = 0x004;
export const DEVICE_ID = 0x008;
export const VENDOR_ID = 0x00c;
export const DEVICE_FEATURES = 0x010;
export const DEVICE_FEATURES_SEL = 0x014;
export const DRIVER_FEATURES = 0x020;
export const DRIVER_FEATURES_SEL = 0x024;
export const GUEST_PAGE_SIZE = 0x028;
export const QUEUE_SEL = 0x030;
export const QUEUE_NUM_MAX = 0x034;
export const QUEUE_NUM = 0x038;
export const QUEUE_ALIGN = 0x03c;
export const QUEUE_PFN = 0x040;
export const QUEUE_READY = 0x044;
export const QUEUE_NOTIFY = 0x050;
export const INTERRUPT_STATUS = 0x060;
export const INTERRUPT_ACK = 0x064;
export const STATUS = 0x070;
export const QUEUE_DESC_LOW = 0x080;
export const QUEUE_DESC_HIGH = 0x084;
export const QUEUE_DRIVER_LOW = 0x090;
export const QUEUE_DRIVER_HIGH = 0x094;
export const QUEUE_DEVICE_LOW = 0x0a0;
export const QUEUE_DEVICE_HIGH = 0x0a4;
export const SHM_LEN_LOW = 0x0b0;
export const SHM_LEN_HIGH = 0x0b4;
export const SHM_BASE_LOW = 0x0b8;
export const SHM_BASE_HIGH = 0x0bc;
export const CONFIG_GENERATION = 0x0fc;
export const CONFIG = 0x100;

export const MAGIC = 0x7472_6976;
/** What the Version register can say. */
export const MMIO_VERSIONS = { legacy: 1, modern: 2 } as const;
export type VirtioInterface = keyof typeof MMIO_VERSIONS;
/** "QEMU", read as MagicValue is: there are drivers (that of xv6) which accept no other. */
export const VENDOR = 0x554d_4551;
export const NO_SHARED_MEMORY = 0xffff_ffff;

export const STATUS_ACKNOWLEDGE = 1;
export const STATUS_DRIVER = 2;
export const STATUS_DRIVER_OK = 4;
export const STATUS_FEATURES_OK = 8;
export const STATUS_NEEDS_RESET = 0x40;
export const STATUS_FAILED = 0x80;

export const INTERRUPT_USED_BUFFER = 1;
export const INTERRUPT_CONFIG_CHANGE = 2;

/** Feature bits of the ring and the transport: virtio 1.2 section 6. */
export const VIRTIO_F_ANY_LAYOUT = 27;
export const VIRTIO_F_INDIRECT_DESC = 28;
export const VIRTIO_F_EVENT_IDX = 29;
export const VIRTIO_F_VERSION_1 = 32;
