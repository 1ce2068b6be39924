# SPDX-License-Identifier: Apache-2.0
"""What a container with exact limits is on cgroup v2, in a virtual machine that has nothing else: an
ordinary user without a capability, within a subtree that is his, and just outside of it."""

import re
import shutil
import subprocess

import pytest
from engine import TOP

from live import BUILD

VM = TOP / "tools/v2vm.sh"
SCRIPT = r"""
sh ./cgroups.sh make evalx
mkdir /sys/fs/cgroup/evalx/container /tmp/data
cp -r evalx evalx-box languages lib /tmp
chmod -R a+rX /tmp/evalx /tmp/evalx-box /tmp/languages /tmp/lib
chown 10001:10001 /tmp/data
printf '%s\n' 'import os' 'for i in range(3):' '    if os.fork() == 0: x = b"x" * (60 << 20); os._exit(0)' 'for i in range(3): os.wait()' >/tmp/sum.py
chmod a+r /tmp/sum.py
as_user() {
    env EVALX_LANGUAGES_DIR=/tmp/languages EVALX_DATA_DIR=/tmp/data EVALX_CGROUP_ROOT=/sys/fs/cgroup/evalx \
        LD_LIBRARY_PATH=/tmp/lib setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs \
        --bounding-set -all --inh-caps -all /tmp/evalx "$@"
}
echo "== inside"
echo $$ >/sys/fs/cgroup/evalx/container/cgroup.procs
as_user doctor
as_user run --json /tmp/sum.py
echo "== outside"
echo $$ >/sys/fs/cgroup/cgroup.procs
as_user doctor
echo "== removed"
rmdir /sys/fs/cgroup/evalx/container
sh ./cgroups.sh remove evalx
ls -d /sys/fs/cgroup/evalx*
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64 is missing: tools/deps.sh vm")
    folder = tmp_path_factory.mktemp("v2")
    shutil.copytree(TOP / "languages", folder / "languages")
    (folder / "lib").mkdir()
    for file in (BUILD / "evalx", BUILD / "evalx-box", TOP / "deploy/docker/cgroups.sh"):
        shutil.copy(file, folder)
    # The machine has few libraries; those of the C library are its own.
    for path in re.findall(r"=> (/\S+)", subprocess.run(["ldd", BUILD / "evalx"], capture_output=True, text=True, check=True).stdout):
        if not re.search(r"/(libc|libm)\.so", path):
            shutil.copy(path, folder / "lib")
    (folder / "script").write_text(SCRIPT)
    subprocess.run([VM, "setup"], check=True, capture_output=True, timeout=600)
    done = subprocess.run([VM, "run", folder, "sh ./script 2>&1"], capture_output=True, text=True, timeout=600, check=False)
    parts = re.split(r"== (\w+)\n", done.stdout)
    return dict(zip(parts[1::2], parts[2::2])), parts[0]


def test_a_delegated_subtree_gives_an_ordinary_user_exact_limits(said):
    parts, made = said
    assert "--cgroup-parent=/evalx --cgroupns=host" in made
    assert re.search(r"ok +cgroup +v2, /sys/fs/cgroup/evalx/", parts["inside"]), parts
    used = int(re.search(r'"memory_bytes":(\d+)', parts["inside"])[1])
    assert used > 180 << 20, "three children of 60 MiB, together"


def test_outside_of_it_the_server_refuses_and_says_why(said):
    parts, _ = said
    assert re.search(r"FAIL +cgroup +enter cgroup .*Permission denied", parts["outside"]), parts
    assert "refuses to run programs" in parts["outside"]


def test_what_was_made_on_the_host_can_be_removed(said):
    parts, _ = said
    assert "No such file" in parts["removed"], parts
