#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A small virtual machine that has cgroup v2 and nothing else, for tests on machines with v1.
#
#   v2vm.sh setup              build kernel, initrd and root file system from Debian packages
#   v2vm.sh run FOLDER CMD...  boot (some 10 s), run CMD in FOLDER, print its output, exit as it did
#
# FOLDER is shared with the machine, read-write, as /mnt. The processor is emulated, so it runs where
# no nested virtualisation does, and is 10 to 40 times slower: test what is right there, never how
# fast. Needs: qemu-system-x86 busybox-static kmod cpio mmdebstrap e2fsprogs.
#
# V2VM_DIR       where the machine is kept (/var/tmp/evalx-v2vm)
# V2VM_PACKAGES  what its root file system holds beside the base system
# V2VM_INIT      systemd: it is the first program, and CMD a service of it, when all others are up
# V2VM_MEMORY, V2VM_CPUS, V2VM_SECONDS   its size, and how long a run may take
set -euo pipefail

dir=${V2VM_DIR:-/var/tmp/evalx-v2vm}
packages=${V2VM_PACKAGES:-gcc,g++,uidmap,python3,python3-pytest,procps,libseccomp2,libcap2,libjson-c5,libssl3,libsqlite3-0,libyaml-0-2,libcyaml1,libmicrohttpd12}
modules=(virtio_pci virtio_blk 9pnet_virtio 9p overlay ext4)

fail() {
    echo "v2vm.sh: $*" >&2
    exit 125
}

need_tools() {
    local tool
    for tool in qemu-system-x86_64 busybox modprobe depmod cpio mmdebstrap mke2fs; do
        command -v "$tool" >/dev/null || PATH=$PATH:/sbin:/usr/sbin command -v "$tool" >/dev/null ||
            fail "$tool is missing: apt install qemu-system-x86 busybox-static kmod cpio mmdebstrap e2fsprogs"
    done
}

fetch_kernel() {
    local package
    [ -f "$dir/kernel-version" ] && return
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
    [ -n "$package" ] || fail "no linux-image-amd64 in the package lists: apt update"
    (cd "$dir" && apt-get download -qq "$package" && dpkg-deb -x "$package"_*.deb kernel && rm -f "$package"_*.deb)
    depmod -b "$dir/kernel" "${package#linux-image-}"
    echo "${package#linux-image-}" >"$dir/kernel-version"
}

build_root() {
    local sources=/etc/apt/sources.list
    [ -f "$dir/root.ext4" ] && [ "$(cat "$dir/packages" 2>/dev/null)" = "$packages" ] && return
    [ -e /etc/apt/sources.list.d/debian.sources ] && sources=/etc/apt/sources.list.d/debian.sources
    rm -rf "$dir/root" "$dir/root.tar" "$dir/root.ext4"
    mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$dir/root.tar" "$sources"
    mkdir "$dir/root"
    tar -C "$dir/root" -xf "$dir/root.tar" --exclude='./dev/*'
    mke2fs -q -F -t ext4 -O ^has_journal -d "$dir/root" "$dir/root.ext4" 1500M
    rm -rf "$dir/root" "$dir/root.tar"
    echo "$packages" >"$dir/packages"
}

# The first program: loads the drivers, puts a writable layer over the root, starts the command.
write_init() {
    cat >"$1" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /new /low /up
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
while read -r m; do $b insmod "/modules/$m" 2>/dev/null; done </modules/order
i=0
while [ ! -e /dev/vda ] && [ $i -lt 500 ]; do $b usleep 20000; i=$((i + 1)); done
$b mount -t ext4 -o ro /dev/vda /low
$b mount -t tmpfs -o size=75% tmpfs /up
$b mkdir /up/upper /up/work
$b mount -t overlay -o lowerdir=/low,upperdir=/up/upper,workdir=/up/work overlay /new
$b mkdir -p /new/mnt /new/proc /new/sys /new/dev /new/tmp /new/run
for d in proc sys dev; do $b mount --move /$d /new/$d; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 shared /new/mnt
$b mount -t tmpfs -o mode=1777 tmpfs /new/tmp
$b mount -t tmpfs tmpfs /new/run
$b mkdir -p /new/dev/pts /new/dev/shm
$b mount -t devpts devpts /new/dev/pts
$b mount -t tmpfs -o mode=1777 tmpfs /new/dev/shm
$b mount -t cgroup2 none /new/sys/fs/cgroup
$b cp $b /new/run/busybox
$b cat >/new/run/command <<'COMMAND'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
/run/busybox ip link set lo up
cd /mnt
/bin/sh /mnt/.v2vm-command >/mnt/.v2vm-output 2>&1
echo $? >/mnt/.v2vm-status
sync
/run/busybox poweroff -f
COMMAND
$b grep -q evalx.init=systemd /new/proc/cmdline || exec $b switch_root /new /bin/sh /run/command
$b umount /new/sys/fs/cgroup
$b mkdir -p /new/etc/systemd/system
$b cat >/new/etc/systemd/system/command.service <<'UNIT'
[Unit]
After=multi-user.target
[Service]
ExecStart=/bin/sh /run/command
UNIT
$b mkdir -p /new/etc/systemd/system/graphical.target.wants
$b ln -s ../command.service /new/etc/systemd/system/graphical.target.wants/command.service
exec $b switch_root /new /lib/systemd/systemd
INIT
    chmod +x "$1"
}

build_initrd() {
    local stage version m f
    version=$(cat "$dir/kernel-version")
    stage=$(mktemp -d)
    mkdir -p "$stage/bin" "$stage/modules"
    cp "$(command -v busybox)" "$stage/bin/"
    : >"$stage/modules/order"
    for m in "${modules[@]}"; do
        modprobe -d "$dir/kernel" -S "$version" --show-depends "$m" 2>/dev/null |
            awk '$1 == "insmod" { print $2 }'
    done | awk '!seen[$0]++' | while read -r f; do
        cp "$f" "$stage/modules/"
        basename "$f" >>"$stage/modules/order"
    done
    write_init "$stage/init"
    (cd "$stage" && find . | cpio --quiet -o -H newc | gzip -1) >"$dir/initrd.gz"
    rm -rf "$stage"
}

setup() {
    mkdir -p "$dir"
    need_tools
    fetch_kernel
    build_root
    build_initrd
}

run() {
    local folder version
    folder=$(realpath "$1")
    shift
    [ -f "$dir/initrd.gz" ] || fail "run 'v2vm.sh setup' first"
    version=$(cat "$dir/kernel-version")
    rm -f "$folder"/.v2vm-*
    printf '%s\n' "$*" >"$folder/.v2vm-command"
    timeout "${V2VM_SECONDS:-900}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max \
        -smp "${V2VM_CPUS:-2}" -m "${V2VM_MEMORY:-2048}" \
        -display none -no-reboot -nodefaults -serial stdio \
        -kernel "$dir/kernel/boot/vmlinuz-$version" -initrd "$dir/initrd.gz" \
        -drive "file=$dir/root.ext4,format=raw,if=virtio,snapshot=on" \
        -fsdev "local,id=shared,path=$folder,security_model=none" \
        -device virtio-9p-pci,fsdev=shared,mount_tag=shared \
        -append "console=ttyS0 panic=-1 edd=off quiet mitigations=off evalx.init=${V2VM_INIT:-command} systemd.mask=serial-getty@ttyS0.service" \
        </dev/null >"$folder/.v2vm-console" 2>&1 || true
    cat "$folder/.v2vm-output" 2>/dev/null || cat "$folder/.v2vm-console"
    exit "$(cat "$folder/.v2vm-status" 2>/dev/null || echo 125)"
}

case ${1:-} in
setup) setup ;;
run)
    [ $# -ge 3 ] || fail "usage: v2vm.sh run FOLDER COMMAND..."
    shift
    run "$@"
    ;;
*) fail "usage: v2vm.sh setup | run FOLDER COMMAND..." ;;
esac
