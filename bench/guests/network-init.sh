#!/bin/sh
# Process 1 of a guest whose network is measured: as init.sh, for one program with several parts.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
ifconfig lo up
modprobe virtio_mmio
modprobe virtio_net
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
read -r words < /proc/cmdline
for word in $words; do
  case $word in
    bench=*) programs=${word#bench=} ;;
  esac
done
IFS=,
for program in $programs; do
  echo "bench begin net-$program"
  /bench/network "$program"
  echo "bench end net-$program $?"
done
exec busybox poweroff -f
