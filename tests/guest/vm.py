#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A PC in QEMU that runs Maestro or Linux, driven from its serial line.

    with VM("maestro", image="build/rootfs.ext2", init="/bin/bash") as vm:
        vm.shell()                      # wait for the prompt, make it quiet
        out, status = vm.run("ls /")

Every wait has a limit; what the machine said is kept in build/guest-logs/.
As a program it boots one image and runs one command, or joins the terminal:

    tests/guest/vm.py linux build/rootfs.ext2 --init /bin/bash --run 'uname -a'
"""
import argparse
import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.path.join(TOP, "build")
LOGS = os.path.join(BUILD, "guest-logs")
DISK = {"virtio": "/dev/vda", "ide": "/dev/sda"}
LINUX_WORDS = "panic=-1 loglevel=3 random.trust_cpu=on mitigations=off"
KEYS = {" ": "spc", "\n": "ret", "-": "minus", "=": "equal", "/": "slash", ".": "dot",
        ",": "comma", ";": "semicolon", "'": "apostrophe", "\\": "backslash",
        "[": "bracket_left", "]": "bracket_right", "`": "grave_accent", "\t": "tab"}
SHIFTED = dict(zip('_+?><:"|{}~!@#$%^&*()', "-=/.,;'\\[]`1234567890"))
SHIFTED[">"], SHIFTED["<"] = ".", ","


# The kernel's own last words; a program's output hardly begins a line so.
FATAL = re.compile(rb"(?im)^(\[[^\]\n]*\] *)?(<\d>)?(kernel )?panic\b *[^= ]")


class Timeout(Exception):
    """The machine did not say what was waited for."""


class Died(Exception):
    """QEMU ended while something was still expected of it."""


def copy_image(source, target):
    """A private sparse copy of an image, for tests that write to it."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, target], check=True)
    return target


def ppm_to_png(ppm, png):
    """Rewrite a binary P6 picture as a PNG."""
    data = open(ppm, "rb").read()
    m = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    width, height, pixels = int(m[1]), int(m[2]), data[m.end():]
    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + \
            struct.pack(">I", zlib.crc32(kind + body))

    with open(png, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n"
                + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b""))


class VM:
    """One virtual machine.

    kernel    "maestro" or "linux"; boot says how: "kernel" (QEMU loads it), or
              "disk" / "iso" (firmware boots the image itself, through GRUB)
    image     root image, or None for a machine without a disk
    snapshot  True: what is written is forgotten
    args      arguments given to init, each a word
    """

    def __init__(self, kernel, image=None, bus="virtio", mem=256, init=None, args=(),
                 append="", snapshot=True, boot="kernel", extra=(), log=None, root=None,
                 cpu="qemu32,+nx", smp=1, rw=True, icount=None, console="ttyS0", elf=None):
        self.kernel, self.name = kernel, log or "%s-%d" % (kernel, os.getpid())
        os.makedirs(LOGS, exist_ok=True)
        self.log_path = os.path.join(LOGS, self.name + ".log")
        self.log = open(self.log_path, "wb")
        self.tmp = tempfile.mkdtemp(prefix="maestro-vm.")
        self.buffer, self.seen, self.serial, self.qmp_sock = b"", b"", 0, None
        self.quiet_shell = False
        cmd = ["qemu-system-i386", "-no-user-config", "-m", str(mem), "-cpu", cpu,
               "-smp", str(smp), "-display", "none", "-serial", "stdio", "-no-reboot",
               "-monitor", "none", "-net", "none",
               "-qmp", "unix:%s/qmp,server=on,wait=off" % self.tmp]
        if icount is not None:
            cmd += ["-icount", icount]
        else:
            cmd += ["-accel", "tcg"]
        if image:
            drive = "file=%s,format=raw,id=root,cache=unsafe" % image
            if snapshot:
                drive += ",snapshot=on"
            if boot == "iso":
                cmd += ["-cdrom", image]
            elif bus == "virtio":
                cmd += ["-drive", drive + ",if=none",
                        "-device", "virtio-blk-pci,drive=root"]
            else:
                cmd += ["-drive", drive + ",if=ide"]
        if boot == "kernel":
            words = ["console=" + console]
            if image:
                words.append("root=" + (root or DISK[bus]))
                words.append("rootfstype=ext2")
            elif root:
                words.append("root=" + root)
            words.append("rw" if rw else "ro")
            if init:
                words.append("init=" + init)
            if kernel == "linux":
                words.append(LINUX_WORDS)
                cmd += ["-kernel", os.path.join(BUILD, "linux", "vmlinuz"),
                        "-initrd", os.path.join(BUILD, "linux", "initrd")]
            else:
                cmd += ["-kernel", elf or os.path.join(BUILD, "maestro.elf")]
            words.append(append)
            if args:
                words += ["--"] + list(args)
            cmd += ["-append", " ".join(w for w in words if w)]
        cmd += list(extra)
        self.command = cmd
        self.log.write((" ".join(cmd) + "\n").encode())
        self.started = time.monotonic()
        self.proc = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.quit()

    # --- the serial line -------------------------------------------------

    def _fill(self, deadline):
        """Read what has come; False at the deadline."""
        left = deadline - time.monotonic()
        fd = self.proc.stdout.fileno()
        if not select.select([fd], [], [], max(0, left))[0]:
            return False
        data = os.read(fd, 65536)
        if not data:
            self.log.flush()
            raise Died("%s: QEMU ended; last words:\n%s" % (self.name, self.tail()))
        self.log.write(data)
        self.log.flush()
        self.seen += data
        self.buffer += data
        return True

    def tail(self, lines=15):
        text = self.seen[-6000:].decode("utf-8", "replace").replace("\r", "")
        return "\n".join("    | " + s for s in text.split("\n")[-lines:])

    def expect(self, regex, timeout=30):
        """Wait for the pattern; gives the match, and drops what came before its end."""
        pattern = re.compile(regex.encode() if isinstance(regex, str) else regex, re.M | re.S)
        deadline = time.monotonic() + timeout
        panicked = False
        while True:
            m = pattern.search(self.buffer)
            if m:
                self.before = self.buffer[:m.start()].decode("utf-8", "replace")
                self.buffer = self.buffer[m.end():]
                return m
            if not panicked and FATAL.search(self.buffer):
                panicked = True
                deadline = min(deadline, time.monotonic() + 1)  # for its last words
            if not self._fill(deadline):
                if panicked:
                    raise Died("%s: kernel panic; last words:\n%s" % (self.name, self.tail(25)))
                raise Timeout("%s: no %r in %g s; last words (all in %s):\n%s" % (
                    self.name, regex, timeout, os.path.relpath(self.log_path, TOP),
                    self.tail()))

    def send(self, text):
        """Type on the serial line, no faster than a tty can take."""
        data = text.encode() if isinstance(text, str) else text
        for i in range(0, len(data), 512):
            self.proc.stdin.write(data[i:i + 512])
            self.proc.stdin.flush()
            if i + 512 < len(data):
                time.sleep(0.05)

    def drain(self, seconds=0.3):
        """What is said during so many seconds."""
        deadline = time.monotonic() + seconds
        while self._fill(deadline):
            pass
        out, self.buffer = self.buffer, b""
        return out.decode("utf-8", "replace")

    # --- a shell on it ---------------------------------------------------

    def shell(self, timeout=60, prompt=r"[#$] (?:\x1b\[6n)?\Z"):
        """Wait for a shell's prompt, then make the shell fit for run()."""
        self.expect(prompt, timeout)
        self.send("stty -echo 2>/dev/null; PS1= PS2= PROMPT_COMMAND=; "
                  "set +o emacs 2>/dev/null; set +o vi 2>/dev/null; "
                  "printf '<%s>\\n' quiet\n")
        self.expect(r"<quiet>\r?\n", timeout)
        self.drain(0.2)
        self.quiet_shell = True

    def job_shell(self, tty="ttyS0", shell="/bin/bash"):
        """From a shell without a controlling terminal, start one that has it."""
        self.send("setsid -c -w %s -i </dev/%s >/dev/%s 2>&1\n" % (shell, tty, tty))
        self.shell()

    def run(self, command, timeout=60):
        """Run a command at the shell; gives (output, status)."""
        self.serial += 1
        n = self.serial
        self.send("printf '<%%s>\\n' B%d\n%s\nprintf '\\n<%%s:%%d>\\n' E%d $?\n"
                  % (n, command, n))
        self.expect(r"<B%d>\r?\n" % n, timeout)
        m = self.expect(r"\r?\n<E%d:(\d+)>\r?\n" % n, timeout)
        return self.before.replace("\r\n", "\n").rstrip("\n"), int(m[1])

    def check(self, command, timeout=60):
        """Run a command that must succeed; gives its output."""
        out, status = self.run(command, timeout)
        if status:
            raise AssertionError("%r gave status %d:\n%s" % (command, status, out))
        return out

    # --- the machine -----------------------------------------------------

    def qmp(self, command, **arguments):
        if self.qmp_sock is None:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(10)
            deadline = time.monotonic() + 10
            while True:
                try:
                    s.connect(self.tmp + "/qmp")
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
            self.qmp_sock = s.makefile("rw")
            self.qmp_sock.readline()
            self.qmp("qmp_capabilities")
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self.qmp_sock.write(json.dumps(request) + "\n")
        self.qmp_sock.flush()
        while True:
            line = self.qmp_sock.readline()
            if not line:
                raise Died(self.name + ": QEMU closed its control socket")
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError("QMP %s: %s" % (command, answer["error"]["desc"]))
            if "return" in answer:
                return answer["return"]

    def screenshot(self, png=None):
        """Save the screen as PNG; gives its path."""
        png = png or os.path.join(LOGS, self.name + ".png")
        self.qmp("screendump", filename=self.tmp + "/screen.ppm")
        ppm_to_png(self.tmp + "/screen.ppm", png)
        return png

    def vga_text(self):
        """The 80x25 text screen, from video memory; lines without trailing blanks."""
        self.qmp("pmemsave", val=0xb8000, size=4000, filename=self.tmp + "/vga")
        cells = open(self.tmp + "/vga", "rb").read()[::2].decode("cp437").replace("\0", " ")
        return "\n".join(cells[i:i + 80].rstrip() for i in range(0, 2000, 80))

    def wait_vga(self, regex, timeout=60):
        """Wait until the text screen shows the pattern."""
        deadline = time.monotonic() + timeout
        while True:
            text = self.vga_text()
            m = re.search(regex, text)
            if m:
                return m
            if time.monotonic() > deadline:
                raise Timeout("%s: the screen never showed %r:\n%s" % (self.name, regex, text))
            self.drain(0.2)

    def sendkey(self, *keys):
        """Press keys together, by QEMU's names: sendkey("ctrl", "c")."""
        self.qmp("send-key", keys=[{"type": "qcode", "data": k} for k in keys])
        time.sleep(0.12)

    def type(self, text):
        """Type on the PC keyboard (US layout)."""
        for c in text:
            if c in SHIFTED:
                self.sendkey("shift", KEYS.get(SHIFTED[c], SHIFTED[c]))
            elif c.isupper():
                self.sendkey("shift", c.lower())
            else:
                self.sendkey(KEYS.get(c, c))

    def wait_off(self, timeout=30):
        """Wait until the machine switches itself off or reboots."""
        deadline = time.monotonic() + timeout
        try:
            while self._fill(deadline):
                pass
        except Died:
            self.proc.wait(10)
            return self.seen.decode("utf-8", "replace").replace("\r", "")
        raise Timeout("%s: still on after %g s; last words:\n%s"
                      % (self.name, timeout, self.tail()))

    def quit(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        for stream in (self.proc.stdin, self.proc.stdout, self.log, self.qmp_sock):
            try:
                if stream:
                    stream.close()
            except OSError:
                pass
        shutil.rmtree(self.tmp, ignore_errors=True)


def main():
    p = argparse.ArgumentParser(description="boot an image and run a command, or watch it")
    p.add_argument("kernel", choices=["maestro", "linux"])
    p.add_argument("image", nargs="?")
    p.add_argument("--bus", default="virtio", choices=sorted(DISK))
    p.add_argument("--mem", type=int, default=256)
    p.add_argument("--init")
    p.add_argument("--append", default="")
    p.add_argument("--boot", default="kernel", choices=["kernel", "disk", "iso"])
    p.add_argument("--persist", action="store_true", help="write to the image itself")
    p.add_argument("--run", help="a command for the shell; otherwise print what comes")
    p.add_argument("--timeout", type=float, default=60)
    p.add_argument("--screenshot", help="save the screen here at the end")
    a = p.parse_args()
    with VM(a.kernel, a.image, bus=a.bus, mem=a.mem, init=a.init, append=a.append,
            boot=a.boot, snapshot=not a.persist, log="vm-cli-" + a.kernel) as vm:
        status = 0
        try:
            if a.run:
                vm.shell(a.timeout)
                out, status = vm.run(a.run, a.timeout)
                print(out)
            else:
                print(vm.wait_off(a.timeout))
        except (Timeout, Died) as e:
            print(e, file=sys.stderr)
            status = 1
        if a.screenshot:
            vm.screenshot(a.screenshot)
        return status


if __name__ == "__main__":
    sys.exit(main())
