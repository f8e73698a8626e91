#!/bin/sh
# Process 1 of a guest that is measured with Debian's own tools, which it finds in the shared folder "bench". Runs what
# bench=NAME,NAME on the kernel's command line names, each by the tool's own clock and after a while that does not count:
# for 1 GiB, or for 10,000 requests.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /bench/work /run /tmp
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
modprobe -qa virtio_mmio virtio_blk virtio_net 9p 9pnet_virtio
ifconfig lo up
read -r words < /proc/cmdline
address=10.0.2.15
for word in $words; do
  case $word in
    bench=*) programs=${word#bench=} ;;
    iperf=*) server=${word#iperf=} ;;
    address=*) address=${word#address=} ;;
  esac
done
ifconfig eth0 "$address" netmask 255.255.255.0 up 2> /dev/null
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap,ro bench /bench/work
# From memory, so that nothing of the folder is measured.
cp -r /bench/work /run/programs
lib=/run/programs/usr/lib
tool() {
  program=/run/programs/usr/bin/$1
  shift
  $lib/ld-linux-riscv64-lp64d.so.1 --library-path $lib/riscv64-linux-gnu "$program" "$@"
}
report() {
  echo "bench tool name=$1 seconds=$2"
  echo "bench name=$1 work=$3 unit=$4 check=ok"
}
# Fields of fio's terse format 3: error 5; of reads, bandwidth in KiB/s 7 and requests a second 8; of writes, 48 and 49.
disk() {
  tool fio --name=disk --filename=/dev/vda --direct=1 --ioengine=libaio --thread --time_based --ramp_time=2 --runtime=5 \
    --output-format=terse --terse-version=3 --rw="$2" --bs="$3" --iodepth="$4" 2> /run/problem > /run/said
  line=$(grep '^3;' /run/said)
  [ "$(echo "$line" | cut -d ';' -f 5)" = 0 ] || { cat /run/said /run/problem; return 1; }
  case $2 in *read) bandwidth=7 ;; *) bandwidth=48 ;; esac
  if [ "$3" = 4k ]; then
    report "$1" "$(echo "$line" | cut -d ';' -f $((bandwidth + 1)) | awk '{ printf "%.4f", 10000 / $1 }')" 10000 requests
  else
    report "$1" "$(echo "$line" | cut -d ';' -f $bandwidth | awk '{ printf "%.4f", 1048576 / $1 }')" 1073741824 B
  fi
}
# The sum over the seconds that count, as the receiver saw it.
stream() {
  name=$1
  shift
  # Another guest may not be there yet.
  for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    tool iperf3 --format k --omit 2 --time 5 --client "${server%:*}" --port "${server#*:}" "$@" > /run/said 2>&1 && break
    sleep 1
  done
  awk -v name="$name" '$NF == "receiver" { for (n = 2; n < NF; n++) if ($n == "Kbits/sec") rate = $(n - 1) }
    END { if (rate > 0) printf "%.4f", 8 * 1048576 * 1.024 / rate }' /run/said > /run/seconds
  [ -s /run/seconds ] || { cat /run/said; return 1; }
  report "$name" "$(cat /run/seconds)" 1073741824 B
}
measure() {
  case $1 in
    fio-read) disk "$1" read 1M 4 ;;
    fio-write) disk "$1" write 1M 4 ;;
    fio-read-4k-1) disk "$1" randread 4k 1 ;;
    fio-read-4k-32) disk "$1" randread 4k 32 ;;
    fio-write-4k-1) disk "$1" randwrite 4k 1 ;;
    fio-write-4k-32) disk "$1" randwrite 4k 32 ;;
    iperf3-send | iperf3-guest-to-guest) stream "$1" ;;
    iperf3-receive) stream "$1" --reverse ;;
    iperf3-server) tool iperf3 --server --one-off --port "${server#*:}" ;;
  esac
}
IFS=,
for measured in $programs; do
  unset IFS
  echo "bench begin $measured"
  measure "$measured"
  echo "bench end $measured $?"
done
exec busybox poweroff -f
