/** The recipe of `debian`: a whole Debian with systemd on a disk, made of Debian's packages. */

import { utf8 } from "../util/bytes.js";
import type { CpioEntry } from "./cpio.js";
import { hostServiceFiles } from "./debian-host-service.js";

/** To be counted up with every change that makes another image of the same packages. */
export const DEBIAN_RECIPE_VERSION = 4;
/** With less it ends services for want of memory while it starts, or takes minutes for it. */
export const DEBIAN_MEMORY_MIB = 192;

/** What apt is asked to install without what it merely recommends: patterns of apt-patterns(7) and names. */
export const DEBIAN_PACKAGES = [
  ...["?essential", "?priority(required)"],
  ...["systemd", "systemd-sysv", "systemd-resolved", "udev", "dbus", "login", "kmod"],
  ...["apt", "ca-certificates", "curl", "e2fsprogs", "openssh-server", "python3"],
  ...["iproute2", "iputils-ping", "less", "nano", "procps", "vim-tiny", "whiptail"],
] as const;

/** What dpkg needs to run, by the same rule. */
export const DEBIAN_CORE_PACKAGES = ["?essential"] as const;

/** Of `debian-mini`'s command line, what a whole system wants, too; see there. */
export const DEBIAN_COMMAND_LINE = [
  "quiet",
  "earlycon=sbi",
  "console=ttyS0",
  "panic=-1",
  "cryptomgr.notests",
  "initcall_blacklist=jent_mod_init,trace_eval_init,load_system_certificate_list",
].join(" ");

/** The modules of its initial RAM disk; all others are on the disk. */
export const DEBIAN_BOOT_MODULES = ["virtio_mmio", "virtio_blk", "ext4", "crc32c_generic"] as const;

const NETWORK = `[Match]
Type=ether

[Network]
DHCP=yes

[DHCPv4]
ClientIdentifier=mac
`;

/**
 * Root has no password. Nobody reaches the serial console but who runs the machine; and of the network only the
 * addresses that QEMU's user network, and ours, forward the host's ports from.
 */
const SSHD = `HostKey /etc/ssh/ssh_host_ed25519_key
Match Address 10.0.2.0/24,fec0::/64
  PermitRootLogin yes
  PermitEmptyPasswords yes
`;

/** On a busy host the guest has little of a processor, and a device that comes late is no device that is missing. */
const PATIENCE = `[Manager]
DefaultDeviceTimeoutSec=15min
DefaultTimeoutStartSec=15min
`;

/** Of the locales that need not be made. */
const LOCALE = "LANG=C.UTF-8\n";

const FSTAB = `/dev/vda / ext4 defaults,noatime 0 1
`;

const HOSTS = `127.0.0.1 localhost
127.0.1.1 debian
::1 localhost ip6-localhost ip6-loopback
`;

/**
 * Apt's own example of its sources names the archive that everybody gets Debian's packages from, security updates
 * included. It is the guest's when the host's mirror is that archive, or one that a guest cannot reach; other mirrors
 * need not have security updates.
 */
export const APT_SETUP = `example=/usr/share/doc/apt/examples/debian.sources
sources=/etc/apt/sources.list.d/debian.sources
public=$(sed -n 's/^URIs: //p' $example | head -n 1)
given=$(sed -n 's/^URIs: //p' $sources 2> /dev/null || true)
given=\${given:-$public}
if [ "\${given#*:}" = "\${public#*:}" ]; then
  sed -e '/^#/d' -e 's/^Components:.*/Components: main/' -e "s/^URIs: [a-z]*:/URIs: \${given%%:*}:/" $example > $sources
fi
`;

/**
 * Runs in the new system when all packages are configured.
 *
 * - Nothing of apt's is done unasked: it would take the processor and the network of a guest that has just started.
 *   e2scrub is for file systems on LVM.
 * - `.updated` as old as /usr tells systemd that what depends on /usr is up to date, as it is: otherwise the first start
 *   builds the loader's cache, the journal's catalog, users and the hardware database again.
 * - An empty machine-id is filled at the first start: guests of one image are not the same to a DHCP server.
 */
const SETUP = `${APT_SETUP}passwd -q -d root
systemctl -q enable systemd-networkd.service systemd-resolved.service ssh.service
systemctl -q disable systemd-networkd-wait-online.service getty@tty1.service
systemctl -q disable apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
rm -f /etc/motd /var/log/*.log /var/log/apt/* /var/cache/debconf/*-old /var/lib/dpkg/*-old
: > /etc/machine-id
ln -sf /etc/machine-id /var/lib/dbus/machine-id
touch -r /usr /etc/.updated /var/.updated
`;

/** A mirror that a guest may reach, too: not a file of the host's, nor a program on it. */
const REMOTE_MIRROR = /^https?:\/\/(?!localhost[:/]|127\.|\[::1\])/i;

/** What the guest's own apt fetches from, as deb822 sources; null for a mirror that only the host has. */
function aptSources(mirror: string, suite: string): string | null {
  if (!REMOTE_MIRROR.test(mirror)) return null;
  return `Types: deb
URIs: ${mirror.replace(/\/+$/, "")}
Suites: ${suite} ${suite}-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp
`;
}

/**
 * Files of the new system that no package brings; they are there before any package is configured.
 *
 * @param mirror address of the archive that the packages came from
 */
export function debianFiles(mirror: string, suite: string): readonly CpioEntry[] {
  const sources = aptSources(mirror, suite);
  return [
    ...["etc", "etc/default", "etc/apt", "etc/apt/sources.list.d", "etc/ssh", "etc/ssh/sshd_config.d"].map(directory),
    ...["etc/systemd", "etc/systemd/network", "etc/systemd/system.conf.d"].map(directory),
    file("etc/fstab", FSTAB),
    file("etc/hostname", "debian\n"),
    file("etc/hosts", HOSTS),
    ...(sources === null ? [] : [file("etc/apt/sources.list.d/debian.sources", sources)]),
    file("etc/systemd/network/80-ethernet.network", NETWORK),
    file("etc/systemd/system.conf.d/patience.conf", PATIENCE),
    file("etc/ssh/sshd_config.d/vivarium.conf", SSHD),
    file("install.sh", SETUP),
    file("etc/default/locale", LOCALE),
    ...hostServiceFiles(),
  ];
}

function directory(path: string): CpioEntry {
  return { kind: "directory", path, mode: 0o755 };
}

function file(path: string, text: string): CpioEntry {
  return { kind: "file", path, mode: 0o644, content: utf8(text) };
}
