#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keep the include direction of src/.

A file may include its own folder and the floors below, as src/FLOORS lists them: never up, never a
neighbour on the same floor. A foreign header is included only where src/FOREIGN says. Prints one
line per break, "file:line: why", and exits 1 when there is any.

    tools/floors.py [FOLDER]      FOLDER holds FLOORS, FOREIGN and the code; src by default
"""

import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# What libc, the compiler and the kernel bring: no wrapper needed.
SYSTEM_FOLDERS = ("sys/", "gnu/", "linux/", "asm/", "asm-generic/", "net/", "netinet/", "arpa/", "bits/")
SYSTEM = set(
    """assert ctype dirent dlfcn elf endian errno execinfo fcntl fenv float fnmatch ftw getopt glob
    grp iconv ifaddrs inttypes iso646 langinfo libgen limits link locale malloc math mntent netdb
    paths poll pthread pwd regex sched search semaphore setjmp signal spawn stdalign stdarg
    stdatomic stdbool stddef stdint stdio stdio_ext stdlib stdnoreturn string strings syscall sysexits
    syslog termios threads time uchar ucontext ulimit unistd utime wait wchar wctype wordexp""".split()
)


def words_of(path):
    """The words of each line that is no comment, with its number."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if words:
            yield number, words


def read_floors(path):
    """Folder name -> floor number."""
    return {name: int(words[0]) for _, words in words_of(path) for name in words[1:]}


def read_foreign(path):
    """Header or header folder -> places that may include it."""
    return {words[0]: words[1:] for _, words in words_of(path)}


def is_system(header):
    return header.startswith(SYSTEM_FOLDERS) or header.removesuffix(".h") in SYSTEM


def why_not_ours(header, folder, floors):
    target = header.split("/", 1)[0]
    if "/" not in header or target not in floors:
        return f'"{header}" is written without a folder of src/FLOORS in front'
    if target == folder:
        return None
    if floors[target] == floors[folder]:
        return f"{folder} includes its neighbour {target} (both on floor {floors[folder]})"
    if floors[target] > floors[folder]:
        return f"{folder} (floor {floors[folder]}) includes {target} above it (floor {floors[target]})"
    return None


def why_not_foreign(header, file, foreign):
    for prefix, places in foreign.items():
        if header == prefix or (prefix.endswith("/") and header.startswith(prefix)):
            if any(file == p or (p.endswith("/") and file.startswith(p)) for p in places):
                return None
            return f"<{header}> belongs to {' '.join(places)} alone"
    if is_system(header):
        return None
    return f"<{header}> is foreign and not listed in FOREIGN"


def breaks(root):
    """Yield (file, line, why) for every include that goes the wrong way."""
    floors = read_floors(root / "FLOORS")
    foreign = read_foreign(root / "FOREIGN")
    for path in sorted(p for p in root.rglob("*") if p.suffix in (".c", ".h")):
        file = path.relative_to(root).as_posix()
        folder = file.split("/", 1)[0]
        if folder not in floors:
            yield path, 1, f"folder {folder} is not in FLOORS"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, header = match.groups()
            if kind == '"':
                why = why_not_ours(header, folder, floors)
            else:
                why = why_not_foreign(header, file, foreign)
            if why:
                yield path, number, why


def main(argv):
    root = Path(argv[1]) if len(argv) > 1 else Path(__file__).resolve().parent.parent / "src"
    found = list(breaks(root))
    for path, number, why in found:
        print(f"{path}:{number}: {why}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
