#!/bin/sh
# Mounts the shared folder "bench" and asks git, several times, what has changed in the repository that is in it. The
# programs are in it, too; they are run from memory.
set -e
export PATH=/usr/bin
modprobe -a virtio_mmio 9p 9pnet_virtio
mkdir -p /bench/work /run
mount -t tmpfs tmpfs /run
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap bench /bench/work
cp -r /bench/work/programs /run/programs
lib=/run/programs/usr/lib
git() {
  $lib/ld-linux-riscv64-lp64d.so.1 --library-path $lib/riscv64-linux-gnu /run/programs/usr/bin/git \
    -c safe.directory='*' -C /bench/work/repository "$@"
}
uptime() { cut -d ' ' -f 1 < /proc/uptime; }
# The first one writes what it has learned of this machine's view of the files into the index.
git status --porcelain > /run/changed
start=$(uptime)
echo bench go
for run in 1 2 3; do git status --porcelain >> /run/changed; done
end=$(uptime)
echo "bench name=git-status seconds=$(echo "$end $start" | awk '{ print $1 - $2 }')"
check=ok
# One file is not in the repository.
[ "$(sort -u /run/changed)" = "?? new" ] && [ "$(wc -l < /run/changed)" = 4 ] || check=failed
echo "bench name=git-status work=10000 unit=files check=$check"
