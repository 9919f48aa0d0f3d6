# SPDX-License-Identifier: MIT
"""The PC's own screen and keyboard: six consoles, switching, scrollback, and full-screen programs on one, read from /dev/vcsN and video memory."""
import time

import lab as shared
from lab import equal, matches
from test_dev import machine, prepare as prepare_dev, put, slow


def vcs(vm, console):
    """The screen of a console as text, by /dev/vcsN: lines without trailing blanks."""
    hexes = vm.check("od -An -v -tx1 /dev/vcs%d" % console).split()
    cells = bytes(int(h, 16) for h in hexes).decode("cp437").replace("\0", " ")
    assert len(cells) == 2000, len(cells)
    return "\n".join(cells[i:i + 80].rstrip() for i in range(0, 2000, 80))


def wait_vcs(vm, console, pattern, timeout=60):
    deadline = time.monotonic() + timeout
    while True:
        text = vcs(vm, console)
        try:
            matches(pattern, text)
            return text
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.3)


def start_on(vm, console, command):
    vm.check("setsid -c env --default-signal=INT,QUIT sh -c 'export TERM=linux; printf \"\\033c\"; %s' <>/dev/tty%d >&0 2>&1 &" % (command, console))


@shared.maestro_only
def test_switching(lab):
    """Shells on tty2 and tty3: Alt-Fn, Ctrl-Alt-Fn and Alt-arrows, typing, the screen's memory; (the oracle has no keyboard driver)."""
    with lab.vm(init="/bin/bash") as vm:
        shared.prepare(vm)
        for n in (2, 3):
            start_on(vm, n, "export PS1=console%d:; exec bash --norc -i" % n)
            wait_vcs(vm, n, "^console%d:$" % n)
        vm.sendkey("alt", "f2")
        vm.wait_vga("console2:", 20)
        vm.type("tty; stty size\n")
        vm.wait_vga(r"/dev/tty2\n25 80\nconsole2:", 30)
        wait_vcs(vm, 2, "^/dev/tty2\n25 80$")
        vm.sendkey("ctrl", "alt", "f3")
        vm.wait_vga("console3:", 20)
        assert "/dev/tty2" not in vm.vga_text()
        vm.type("echo third\n")
        vm.wait_vga("\nthird\nconsole3:", 30)
        assert "third" not in vcs(vm, 2)
        vm.sendkey("alt", "left")
        vm.wait_vga(r"/dev/tty2\n25 80", 20)
        vm.sendkey("alt", "right")
        vm.wait_vga("third", 20)
        # An interrupt from the keyboard reaches the job of that console.
        vm.type("sleep 1000\n")
        vm.sendkey("ctrl", "c")
        vm.type("echo status $?\n")
        vm.wait_vga("status 130", 30)
        # A screen can be written to through its file.
        vm.check("printf 'by file' | dd of=/dev/vcs3 bs=1 seek=1600 2>/dev/null")
        vm.wait_vga("\nby file", 20)
        equal(vm.check("od -An -v -tu1 -N2 /dev/vcsa3").split(), ["25", "80"])
        equal(vm.check("dd if=/dev/vcsu3 bs=4 skip=1600 count=7 2>/dev/null | od -An -v -td4 -w28").split(),
              [str(ord(c)) for c in "by file"])


@shared.maestro_only
def test_scrollback(lab):
    """Shift-PageUp shows what went over the top; output shows the present again; (Linux has had no scrollback since 5.9)."""
    with lab.vm(init="/bin/bash") as vm:
        shared.prepare(vm)
        start_on(vm, 1, "seq 1 200; exec bash --norc -i")
        vm.wait_vga(r"\n200\nbash[^\n]*#", 30)
        assert "\n160\n" not in vm.vga_text()
        for _ in range(3):
            vm.sendkey("shift", "pgup")
        vm.wait_vga(r"\n160\n", 20)
        assert "\n200\n" not in vm.vga_text()
        vm.sendkey("shift", "pgdn")
        vm.sendkey("shift", "pgdn")
        vm.sendkey("shift", "pgdn")
        vm.wait_vga(r"\n200\n", 20)
        for _ in range(40):
            vm.sendkey("shift", "pgup")
        vm.wait_vga(r"\A1\n2\n3\n", 20)
        vm.type("echo now\n")
        vm.wait_vga(r"\n200\n[^\n]*echo now\nnow\n", 30)


@slow
def test_screens(lab):
    """vim, less, tmux, man and dialog's kind of boxes on tty2, as they stand on the screen; the colours of some."""
    with machine(lab) as vm:
        prepare_dev(vm)
        put(vm, "t.c", "int main(void)\n{\n\treturn 0; /* end */\n}")
        start_on(vm, 2, "vim -u NONE -N --cmd \"syntax on\" t.c")
        text = wait_vcs(vm, 2, r"\Aint main\(void\)$")
        equal(text.split("\n")[:6], ["int main(void)", "{", "        return 0; /* end */", "}", "~", "~"])
        attributes = vm.check("od -An -v -tx1 -w160 -j4 /dev/vcsa2").split("\n")
        assert len(set(attributes[2].split()[1::2])) >= 2, attributes[2]  # keywords have a colour
        vm.check("pkill vim")
        vm.check("seq 1 300 > n.txt")
        start_on(vm, 2, "less n.txt")
        text = wait_vcs(vm, 2, "^n.txt")
        equal(text.split("\n")[:24], [str(i) for i in range(1, 25)])
        vm.check("pkill less")
        start_on(vm, 2, "man ls")
        text = wait_vcs(vm, 2, r"^LS\(1\) +User Commands +LS\(1\)$")
        matches(r"^       ls - list directory contents$", text)
        matches(r"^ Manual page ls\(1\) line 1", text)
        vm.check("pkill man; pkill less; true")
        start_on(vm, 2, "exec tmux -u new \"tmux split-window -h sleep\\\\ 1000; exec sleep 1000\"")
        text = wait_vcs(vm, 2, r"^ {40}\u2502$")
        equal(sum(line[40:41] == "\u2502" for line in text.split("\n")), 24)
        matches(r"^\[0\] 0:", text)
        vm.check("tmux kill-server")
        put(vm, "box.sh", "printf '\\033c┌──────┐\\n│ \\033[1;33;44mbold\\033[m │\\n└──────┘\\n╔═╗▒▓█ äöü\\n'")
        vm.check("sleep 1; sh box.sh >/dev/tty2")  # not while the end of the session hangs it up
        equal(vcs(vm, 2).split("\n")[:4], ["┌──────┐", "│ bold │", "└──────┘", "╔═╗▒▓█ äöü"])
        equal(vm.check("od -An -v -tx1 -w8 -N8 -j168 /dev/vcsa2").split(), ["62", "1e", "6f", "1e", "6c", "1e", "64", "1e"])
