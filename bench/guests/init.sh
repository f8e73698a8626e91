#!/bin/sh
# Process 1 of a measured guest: runs the programs named by bench=NAME,NAME on the kernel's command line, each between
# two lines on the console, and switches the machine off.
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
read -r words < /proc/cmdline
for word in $words; do
  case $word in
    bench=*) programs=${word#bench=} ;;
  esac
done
# Modules that the measured programs' devices need; without one, its program says what it misses.
modprobe -qa virtio_mmio virtio_blk
IFS=,
for program in $programs; do
  echo "bench begin $program"
  "/bench/$program"
  echo "bench end $program $?"
done
exec busybox poweroff -f
