/**
 * What runs in the guest while `debian` is made, and each time it is started: first processes of two initial RAM
 * disks, scripts for busybox's shell.
 */

/** The line by which the installing guest tells that the disk is complete. */
export const INSTALL_COMPLETE = "viv-install: complete";

/** Where on the drive of packages something is: in sectors of 512 bytes. */
export interface PackagePlace {
  readonly sector: number;
  readonly sectorCount: number;
}

const PREPARE = `#!/bin/sh
export PATH=/usr/bin HOME=/root
umask 022
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
modprobe -a virtio_mmio virtio_blk ext4 crc32c_generic
`;

/** Of packages that are in the guest's memory at a time; the largest one may come on top. */
const BATCH_SECTORS = (96 * 2 ** 20) / 512;

/**
 * /init while the disk is made: vda becomes the system, vdb holds the packages, and what it is told about them stands in
 * /install. Debian's own dpkg does the installing, in the new system. It must run before it can install anything, so
 * the files of what it needs are put in place first, as debootstrap and mmdebstrap do.
 */
export const INSTALL_INIT = `${PREPARE}
fail() {
  echo "viv-install: failed: $1"
  poweroff -f
}

mkdir /target
# By its path: busybox has a program of that name, too. Tables that are not initialized now would be at each start.
/usr/bin/mke2fs -q -F -t ext4 -L debian -m 1 -E lazy_itable_init=0,lazy_journal_init=1 /dev/vda || fail "mke2fs"
# A build that is interrupted is begun anew: nothing needs to be on the disk before the end.
mount -t ext4 -o noatime,nobarrier,commit=600 /dev/vda /target || fail "mounting the new file system"

while read -r sector count name; do
  dd if=/dev/vdb bs=512 skip="$sector" count="$count" 2> /dev/null | tar x -C /target || fail "the files of $name"
done < /install/trees

mount -t proc proc /target/proc
mount -t sysfs sysfs /target/sys
mount --bind /dev /target/dev
mount -t tmpfs tmpfs /target/tmp
mount -t tmpfs tmpfs /target/run
for file in passwd group; do
  [ -e /target/etc/$file ] || cp /target/usr/share/base-passwd/$file.master /target/etc/$file
done
mkdir -p /target/var/lib/dpkg/info /target/var/lib/dpkg/updates
: > /target/var/lib/dpkg/status
: > /target/var/lib/dpkg/available
(cd /install/files && tar c .) | tar x -C /target
# No service is to be started in here.
printf '#!/bin/sh\\nexit 101\\n' > /target/usr/sbin/policy-rc.d
chmod 755 /target/usr/sbin/policy-rc.d

# By their paths: of the names that busybox has, too, it would run its own programs.
in_target() {
  PATH=/usr/sbin:/usr/bin DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 \\
    INITRD=No chroot /target "$@"
}

# Many packages at a time: dpkg reads its whole database whenever it starts.
unpack() {
  debs= sectors=0
  while read -r sector count name; do
    dd if=/dev/vdb bs=512 skip="$sector" count="$count" of="/target/tmp/$name.deb" 2> /dev/null || fail "reading $name"
    debs="$debs /tmp/$name.deb" sectors=$((sectors + count))
    [ $sectors -lt ${BATCH_SECTORS} ] || unpack_batch
  done < "$1"
  [ $sectors = 0 ] || unpack_batch
}

unpack_batch() {
  in_target /usr/bin/dpkg --no-triggers --force-unsafe-io --force-depends --force-confold --unpack $debs \\
    < /dev/null 2> /run/complaints || {
    cat /run/complaints
    fail "unpacking$debs"
  }
  rm /target/tmp/*.deb
  debs= sectors=0
}

configure() {
  in_target /usr/bin/dpkg --force-unsafe-io --force-confold --configure -a < /dev/null
  in_target /usr/bin/dpkg --audit > /run/audit
  [ -s /run/audit ] && cat /run/audit && fail "configuring packages"
}

unpack /install/core
configure
unpack /install/rest
configure

in_target /usr/bin/sh -e /install.sh || fail "setting the system up"
rm /target/install.sh /target/usr/sbin/policy-rc.d
umount /target/run /target/tmp /target/dev /target/sys /target/proc
umount /target || fail "unmounting the new file system"
echo "${INSTALL_COMPLETE}"
poweroff -f
`;

/** /init of the finished image: mounts the disk and hands over to systemd on it. */
export const BOOT_INIT = `${PREPARE}
root=/dev/vda options=rw
read -r words < /proc/cmdline
for word in $words; do
  case $word in
    root=*) root=\${word#*=} ;;
    ro) options=ro ;;
  esac
done
tries=500
until [ -b "$root" ] || [ $tries = 0 ]; do
  usleep 10000
  tries=$((tries - 1))
done
mkdir -p /target
if ! mount -t ext4 -o $options "$root" /target; then
  echo "init: $root cannot be mounted; this is the initial RAM disk's shell"
  exec setsid cttyhack sh
fi
mount --move /proc /target/proc
mount --move /sys /target/sys
mount --move /dev /target/dev
exec switch_root /target /usr/sbin/init
`;
