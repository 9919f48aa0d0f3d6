# SPDX-License-Identifier: MIT
"""An evening with bash."""
import time

from lab import equal, matches


def says(lab, command, want, timeout=60):
    out, status = lab.bash().run(command, timeout)
    equal(out, want, command)
    equal(status, 0, "status of " + command)


def test_pipes(lab):
    """Pipelines, their statuses, long ones."""
    says(lab, "seq 1 1000 | grep 7 | wc -l", "271")
    says(lab, "printf '%s\\n' c a b | sort | tr '\\n' ' '", "a b c ")
    says(lab, "yes | head -n 3 | cat | cat | cat | cat | wc -c", "6")
    says(lab, "false | true | false; echo ${PIPESTATUS[@]}", "1 0 1")
    says(lab, "set -o pipefail; yes | head -n 1; echo $?; set +o pipefail", "y\n141")
    says(lab, "cat <(echo one) <(echo two)", "one\ntwo")
    says(lab, "echo deep | (read x; (echo $x | (cat)))", "deep")


def test_redirections(lab):
    """Redirections, appending, duplicated and swapped descriptors."""
    says(lab, "cd /tmp; echo a > f; echo b >> f; cat < f", "a\nb")
    says(lab, "ls /none 2> err; grep -c 'No such' err", "1")
    says(lab, "{ echo out; echo err >&2; } > both 2>&1; wc -l < both", "2")
    says(lab, "{ echo out; echo err >&2; } 3>&1 1>/dev/null 2>&3 3>&-", "err")
    says(lab, "exec 9> nine; echo to nine >&9; exec 9>&-; cat nine", "to nine")
    says(lab, "set -C; echo x > f; echo $?; set +C", "bash: f: cannot overwrite existing file\n1")
    says(lab, "read -r line < f; echo $line; exec 7<>f; read -u 7 l; echo $l; exec 7>&-", "a\na")


def test_here_documents(lab):
    """Here-documents and here-strings."""
    says(lab, "x=5\ncat <<END\nvalue $x\n$(echo sub)\nEND", "value 5\nsub")
    says(lab, "cat <<'END'\n$x `y`\nEND", "$x `y`")
    says(lab, "cat <<-END\n\ttab gone\n\tEND", "tab gone")
    says(lab, "tr a-z A-Z <<< string", "STRING")
    says(lab, "cat <<END | wc -c\n%s\nEND" % "\n".join(["x" * 70] * 60), "4260")


def test_globbing(lab):
    """Globs, braces, hidden files, and no match."""
    says(lab, "mkdir -p /tmp/g && cd /tmp/g && touch a1 a2 b1 .h 'sp ace' && echo *", "a1 a2 b1 sp ace")
    says(lab, "echo a? [ab]1 {x,y}{1,2} .[a-z]* zz*", "a1 a2 a1 b1 x1 x2 y1 y2 .h zz*")
    says(lab, "shopt -s globstar dotglob; mkdir -p d/e; touch d/e/f; echo **/f; shopt -u globstar dotglob", "d/e/f")
    says(lab, "shopt -s extglob\necho !(a*|d)\nshopt -u extglob", "b1 sp ace")
    says(lab, "cd /; echo /etc/pass* /bin/bas?", "/etc/passwd /etc/passwd- /bin/bash"
         if lab.bash().run("ls /etc/passwd-")[1] == 0 else "/etc/passwd /bin/bash")


def test_language(lab):
    """Functions, arrays, arithmetic, loops, traps, coprocesses."""
    says(lab, "f() { local n=$1; ((n < 2)) && echo 1 || echo $((n * $(f $((n - 1))))); }; f 8", "40320")
    says(lab, "a=(one two three); echo ${#a[@]} ${a[-1]} ${a[@]:1:1}; declare -A m=([k]=v); echo ${m[k]}",
         "3 three two\nv")
    says(lab, "for i in {1..3}; do case $i in 2) continue;; esac; printf $i; done; echo", "13")
    says(lab, "(trap 'echo bye' EXIT; exit 3); echo $?", "bye\n3")
    says(lab, "trap 'echo usr1' USR1; kill -USR1 $$; trap - USR1", "usr1")
    says(lab, "s=abcdef; echo ${s:2:3} ${s/b/B} ${s%ef} ${s^^}", "cde aBcdef abcd ABCDEF")
    says(lab, "[[ abc =~ ^a(.)c$ ]] && echo ${BASH_REMATCH[1]}", "b")
    says(lab, "{ time true; } 2>&1 | grep -c real", "1")
    says(lab, "{ sleep 0.2 & wait $!; echo $?; (exit 7) & wait $!; echo $?; } 2>/dev/null", "0\n7")
    says(lab, "timeout 0.3 sleep 5; echo $?", "124")


def test_ctrl_c(lab):
    """Ctrl-C ends the foreground job and not the shell."""
    vm = lab.bash(jobs=True)
    vm.send("sleep 100\n")
    time.sleep(0.6)
    vm.send("\x03")
    vm.send("echo status $?\n")
    vm.expect(r"status 130\r?\n", 10)
    vm.send("cat\n")
    time.sleep(0.4)
    vm.send("typed\n")
    vm.expect("typed", 5)
    vm.send("\x04")
    equal(vm.check("echo after cat", 10), "after cat")
    vm.send("while :; do :; done\n")
    time.sleep(0.4)
    vm.send("\x03")
    equal(vm.check("echo alive", 10), "alive")
    vm.send("cat\n")
    time.sleep(0.3)
    vm.send("\x1c")
    time.sleep(0.5)
    vm.send("echo status $?\n")
    vm.expect(r"status 131\r?\n", 10)


def test_jobs(lab):
    """Ctrl-Z, bg, fg, jobs, kill %, disown."""
    vm = lab.bash(jobs=True)
    vm.send("sleep 50\n")
    time.sleep(0.5)
    vm.send("\x1a")
    vm.expect(r"Stopped", 10)
    matches(r"\[1\]\+  Stopped +sleep 50", vm.check("jobs"))
    matches(r"sleep 50 &", vm.check("bg %1"))
    matches(r"Running", vm.check("jobs"))
    vm.send("fg\n")
    vm.expect("sleep 50", 10)
    time.sleep(0.3)
    vm.send("\x1a")
    vm.expect("Stopped", 10)
    vm.send("kill -CONT %1; kill %1; sleep 0.2\n:\n")
    vm.expect("Terminated", 10)
    equal(vm.check("jobs | wc -l"), "0")
    vm.run("(sleep 0.3; echo from the background) &")
    vm.expect("from the background", 10)
    vm.run("wait")
    # A background job that reads the terminal is stopped.
    vm.run("cat &")
    time.sleep(0.5)
    matches(r"Stopped.*cat", vm.check("jobs"))
    vm.run("kill -9 %%; wait")
    vm.run("jobs")


def test_line_editing(lab):
    """Readline: editing, history, completion, searching."""
    vm = lab.bash(jobs=True)
    vm.send("bash --norc -i\n")
    vm.expect(r"[#$] \Z", 20)
    vm.send("stty echo; set -o emacs; bind 'set enable-bracketed-paste off'; PS1='> '\n")
    vm.expect(r"> \Z", 10)
    vm.drain(0.3)

    def line(typed, want):
        vm.send(typed)
        vm.expect(want, 10)
        vm.expect(r"\n> \Z", 10)

    line("echo wrong\x7f\x7f\x7f\x7f\x7fright\r", r"\nright\r")
    line("xecho start\x01\x04\x05 end\r", r"\nstart end\r")      # ^A ^D ^E
    line("\x1b[A\x1b[D\x1b[D\x1b[DX\r", r"\nstart Xend\r")      # up, left three times
    line("\x12right\r", r"\nright\r")                            # ^R
    line("ls /etc/passw\t\r", r"\n/etc/passwd")
    line("echo one two\x17three\r", r"\none three\r")            # ^W
    line("history | tail -n 3 | head -n 1\r", r"ls /etc/passwd")
    line("!!\r", r"history \| tail")
    vm.send("exit\r")
    vm.drain(0.4)
    vm.send("stty -echo\n")
    vm.drain(0.4)
    equal(vm.check("echo back"), "back")


def test_vi(lab):
    """vi of busybox, full screen: edit a file and save it."""
    vm = lab.bash(jobs=True)
    vm.check("stty rows 24 cols 80; printf 'line one\\nline two\\nline three\\n' > /tmp/vi.txt")
    vm.send("busybox vi /tmp/vi.txt\n")
    vm.expect(r"line one.*line three.*~", 15)
    vm.expect(r"1/3", 10)
    vm.send("jdd")
    time.sleep(0.3)
    vm.send("oinserted here\x1b")
    time.sleep(0.3)
    vm.send("ggA!\x1b")
    time.sleep(0.3)
    vm.send("0~")
    time.sleep(0.3)
    vm.send(":%s/here/there/\r")
    time.sleep(0.3)
    vm.send(":wq\r")
    time.sleep(0.5)
    vm.drain(0.4)
    out = vm.check("cat /tmp/vi.txt", 10)
    equal(out, "Line one!\nline three\ninserted there")


def test_vim(lab):
    """vim (tiny), which asks more of a terminal."""
    vm = lab.bash(jobs=True)
    vm.check("command -v vi >/dev/null && stty rows 24 cols 80; seq 100 > /tmp/vim.txt")
    vm.send("vi -u NONE /tmp/vim.txt\n")
    vm.expect(r"23", 15)
    vm.send("50Gcwfifty\x1b")
    time.sleep(0.4)
    vm.send(":x\r")
    time.sleep(0.6)
    vm.drain(0.4)
    equal(vm.check("sed -n 50p /tmp/vim.txt; wc -l < /tmp/vim.txt", 10), "fifty\n100")


def test_less(lab):
    """less: page, search, leave."""
    vm = lab.bash(jobs=True)
    vm.check("stty rows 24 cols 80; seq 1000 > /tmp/less.txt")
    vm.send("less /tmp/less.txt\n")
    vm.expect(r"23\r?\n", 15)
    vm.send(" ")
    vm.expect(r"46", 10)
    vm.send("/777\r")
    vm.expect(r"777", 10)
    vm.send("q")
    vm.drain(0.4)
    equal(vm.check("echo left", 10), "left")
