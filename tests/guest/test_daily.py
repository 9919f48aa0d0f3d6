# SPDX-License-Identifier: MIT
"""Programs of daily use, from build/devroot.ext2, as somebody uses them: full screens in tmux, editors, pagers, make, languages."""
import contextlib
import re
import time

from lab import equal, matches
from test_dev import machine, prepare, put, slow


@contextlib.contextmanager
def workplace(lab):
    """The machine that these tests share, in a directory of the test's own."""
    if "daily" not in lab.kept:
        lab.kept["daily"] = machine(lab, log="shared-daily-" + lab.kernel)
        prepare(lab.kept["daily"])
    vm = lab.kept["daily"]
    vm.check("mkdir -p /root/w/%s && cd /root/w/%s" % (lab.test, lab.test))
    yield vm


def screen(vm, keys=None, wait=None, timeout=30):
    """What the pane of the session shows, after some keys (tmux's names) and once it matches."""
    if keys:
        vm.check("tmux send-keys " + keys)
    deadline = time.monotonic() + timeout
    while True:
        text = vm.check("tmux capture-pane -p")
        if not wait or re.search(wait, text, re.M):
            return text
        assert time.monotonic() < deadline, "no %r on the screen:\n%s" % (wait, text)
        time.sleep(0.3)


def start(vm, command, size=(80, 24)):
    vm.check("tmux kill-server 2>/dev/null; while tmux ls >/dev/null 2>&1; do sleep 0.2; done; sleep 0.5")
    vm.check("tmux -u new -d -x %d -y %d '%s'" % (*size, command), 60)


@slow
def test_htop(lab):
    """htop at 80x24: memory, load, uptime, tasks and the processes are those of /proc."""
    with workplace(lab) as vm:
        vm.check("sleep 1000 & python3 -c 'while True: pass' & sleep 2")
        start(vm, "htop -d 10 --no-color")
        text = screen(vm, wait=r"Load average: \d", timeout=60)
        time.sleep(4)
        text = screen(vm, wait=r"F10Quit")
        lines = text.split("\n")
        assert len(lines) <= 24 and max(map(len, lines)) <= 80, text
        total = int(vm.check("awk '/MemTotal/ {print $2}' /proc/meminfo"))
        m = re.search(r"Mem\[.*?([\d.]+)([KMG])/([\d.]+)([KMG])\]", text)
        assert m, text
        unit = {"K": 1, "M": 1024, "G": 1024 * 1024}
        assert abs(float(m[3]) * unit[m[4]] - total) < total * 0.02, text
        assert 1024 < float(m[1]) * unit[m[2]] < total, text
        up = re.search(r"Uptime: (\d+):(\d\d):(\d\d)", text)
        shown = int(up[1]) * 3600 + int(up[2]) * 60 + int(up[3])
        now = float(vm.check("cut -d' ' -f1 /proc/uptime"))
        assert now - 20 < shown <= now, (shown, now)
        tasks = int(re.search(r"Tasks: (\d+)", text)[1])
        count = int(vm.check("ls -d /proc/[0-9]* | wc -l"))
        assert abs(tasks - count) < 60 and tasks >= 4, (tasks, count)
        matches(r"Load average: \d+\.\d\d \d+\.\d\d \d+\.\d\d", text)
        # The busy one stands first, has most of the CPU, and runs.
        row = re.search(r"^ *(\d+) root +\d+ +\d+ +\S+ +\S+ +\S+ R +([\d.]+) +[\d.]+ +\S+ python3 -c whil", text, re.M)
        assert row and float(row[2]) > 50, text
        equal(vm.check("tr '\\0' ' ' < /proc/%s/cmdline" % row[1]).strip(), "python3 -c while True: pass")
        vm.check("tmux send-keys q")
        vm.check("for i in 1 2 3 4 5; do tmux ls 2>/dev/null || break; sleep 1; done; ! tmux ls 2>/dev/null; kill %1 %2")


@slow
def test_vim(lab):
    """vim, full screen: insert, undo, redo, write, search, substitute, a window more, a size that changes."""
    with workplace(lab) as vm:
        put(vm, "t.txt", "\n".join("line %d" % i for i in range(1, 101)))
        start(vm, "vim -u NONE -N t.txt")
        screen(vm, wait=r'^"t\.txt" 100L')
        screen(vm, "G")
        text = screen(vm, "o 'new text' Escape", r"^new text$")
        matches("^line 100$", text)
        screen(vm, "u", "^1 line less")
        assert "new text" not in screen(vm)
        screen(vm, "C-r", "^new text$")
        screen(vm, "':w' Enter", r'"t\.txt" 101L, .*written')
        equal(vm.check("tail -1 t.txt"), "new text")
        screen(vm, "':%s/line/row/' Enter", "100 substitutions on 100 lines")
        screen(vm, "'/row 50' Enter", "^row 50$")
        screen(vm, "':split' Enter", r"^t\.txt \[\+\]")
        vm.check("tmux resize-window -x 60 -y 16")
        lines = screen(vm, wait=r"^row 50").split("\n")
        assert len(lines) <= 16, lines
        screen(vm, "':wq' Enter")
        vm.check("tmux send-keys ':q' Enter")
        vm.check("for i in 1 2 3 4 5; do tmux ls 2>/dev/null || break; sleep 1; done; grep -c ^row t.txt | grep -qx 100")


@slow
def test_less(lab):
    """less and man: paging, searching, the end, a pipe; a formatted page."""
    with workplace(lab) as vm:
        vm.check("seq 1 500 | sed 's/^/number /' > n.txt")
        start(vm, "less n.txt")
        text = screen(vm, wait="^number 23$")
        assert "number 24" not in text, text
        screen(vm, "Space", "^number 46$")
        screen(vm, "'/number 250' Enter", r"\Anumber 250$")
        screen(vm, "G", "^number 500$")
        screen(vm, "g", r"\Anumber 1$")
        vm.check("tmux send-keys q")
        start(vm, "seq 1 100000 | less")
        screen(vm, wait="^23$")
        screen(vm, "G", "^100000$", 60)
        vm.check("tmux send-keys q")
        page = vm.check("MANWIDTH=80 man ls | col -bx", 120)
        matches(r"^NAME\n       ls - list directory contents\n", page)
        matches(r"^       -a, --all\n              do not ignore entries starting with \.$", page)
        start(vm, "man ls")
        screen(vm, wait=r"^LS\(1\) +User Commands +LS\(1\)$", timeout=60)
        screen(vm, "'/--sort=WORD' Enter", r"--sort=WORD")


@slow
def test_tmux(lab):
    """tmux: panes split and resized, each shell told its size; detaching, attaching, output while nobody looks."""
    with workplace(lab) as vm:
        start(vm, "env PS1= sh", (100, 30))
        vm.check("tmux split-window -h 'env PS1= sh'; tmux split-window -v 'env PS1= sh'")
        panes = "tmux list-panes -F '#{pane_index} #{pane_width}x#{pane_height} #{pane_left},#{pane_top}'"
        equal(vm.check(panes), "0 50x30 0,0\n1 49x15 51,0\n2 49x14 51,16")
        vm.check("tmux resize-pane -t 0 -x 30; tmux resize-pane -t 1 -y 20")
        equal(vm.check(panes), "0 30x30 0,0\n1 69x20 31,0\n2 69x9 31,21")
        vm.check("for p in 0 1 2; do tmux send-keys -t $p 'stty size' Enter; done")
        for pane, size in enumerate(["30 30", "20 69", "9 69"]):
            deadline = time.monotonic() + 20
            while size not in vm.check("tmux capture-pane -p -t %d" % pane):
                assert time.monotonic() < deadline, (pane, vm.check("tmux capture-pane -p -t %d" % pane))
                time.sleep(0.3)
        vm.check("tmux send-keys -t 0 \"trap 'echo winch; stty size' WINCH; clear\" Enter; sleep 1; tmux resize-window -x 80 -y 20; "
                 "sleep 1; tmux send-keys -t 0 Enter")
        vm.check("for i in 1 2 3 4 5 6 7 8; do tmux capture-pane -p -t 0 | grep -q winch && break; sleep 1; done; "
                 "tmux capture-pane -p -t 0 | grep -q winch")
        vm.check("tmux kill-pane -t 2; tmux kill-pane -t 1")
        equal(vm.check("tmux list-panes -F '#{pane_width}x#{pane_height}'"), "80x20")
        vm.check("tmux send-keys 'seq 1 1000' Enter; sleep 2")
        matches("^1000$", vm.check("tmux capture-pane -p"))
        assert int(vm.check("tmux capture-pane -p -S -500 | grep -c '^[0-9][0-9]*$'")) >= 400
        vm.check("tmux kill-server")


JOBS = r"""
OBJS := $(patsubst %,o%,$(shell seq 1 12))
all: $(OBJS) sub
	@echo all of $(words $(OBJS))
o%:
	@echo $* >> running; sleep 2; touch $@
sub:
	@$(MAKE) -C d --no-print-directory
.PHONY: all sub
"""
SUBJOBS = "all: a b c\na b c:\n\t@sleep 0.5; echo sub $@\n.PHONY: all a b c\n"


@slow
def test_make(lab):
    """make -j: jobs side by side, a jobserver shared with a sub-make, a failure that stops the rest."""
    with workplace(lab) as vm:
        put(vm, "Makefile", JOBS)
        vm.check("mkdir d")
        put(vm, "d/Makefile", SUBJOBS)
        begin = float(vm.check("cut -d' ' -f1 /proc/uptime"))
        out = vm.check("make -j8", 120)
        spent = float(vm.check("cut -d' ' -f1 /proc/uptime")) - begin
        equal(sorted(out.split("\n")), ["all of 12", "sub a", "sub b", "sub c"])
        equal(vm.check("ls o* | wc -l; wc -l < running"), "12\n12")
        assert spent < 12 * 2, "eight jobs side by side took %g s" % spent
        put(vm, "Makefile", "all: a b\na:\n\t@exit 3\nb:\n\t@sleep 1; echo done\nlast: all\n\t@echo never\n")
        out, status = vm.run("make -j2 last 2>&1", 60)
        equal(status, 2)
        matches(r"Error 3", out)
        matches(r"^done", out)
        assert "never" not in out, out


NODE = r"""
const fs = require('fs'), net = require('net'), cp = require('child_process'), crypto = require('crypto');
const { Worker, isMainThread, parentPort } = require('worker_threads');
if (!isMainThread) {
	parentPort.postMessage([1, 2, 3].map(x => x * x).join());
} else {
	const say = (...a) => console.log(...a);
	(async () => {
		say('sha', crypto.createHash('sha256').update('abc').digest('hex').slice(0, 16));
		await fs.promises.writeFile('n.txt', 'x'.repeat(100000));
		say('size', (await fs.promises.stat('n.txt')).size);
		say('worker', await new Promise(r => new Worker(__filename).on('message', r)));
		say('child', cp.execFileSync('sh', ['-c', 'echo $((6 * 7))']).toString().trim());
		const server = net.createServer(s => s.pipe(s)).listen('node.sock');
		say('echo', await new Promise(r => {
			const c = net.connect('node.sock', () => c.write('through a socket'));
			c.on('data', d => { r(d.toString()); c.end(); server.close(); });
		}));
		const t = Date.now();
		await new Promise(r => setTimeout(r, 50));
		say('timer', Date.now() - t >= 49);
		const w = fs.watch('.');
		const seen = new Promise(r => w.on('change', (e, f) => { if (f === 'w.txt') r(f); }));
		fs.writeFileSync('w.txt', '1');
		say('watch', await seen);
		w.close();
		say('sum', Array.from({ length: 100000 }, (_, i) => i).reduce((a, b) => a + b));
	})();
}
"""
NODE_SAYS = """sha ba7816bf8f01cfea
size 100000
worker 1,4,9
child 42
echo through a socket
timer true
watch w.txt
sum 4999950000"""


@slow
def test_node(lab):
    """node: files, a worker, a child, a socket, timers, watching a directory."""
    with workplace(lab) as vm:
        put(vm, "n.js", NODE)
        equal(vm.check("node n.js | cat", 240), NODE_SAYS)


TWO_WRITERS = r"""
sqlite3 s.db 'pragma journal_mode=wal; create table t(w, n);' >/dev/null
for w in 1 2 3; do
	(i=0; while [ $i -lt 30 ]; do sqlite3 -cmd '.timeout 20000' s.db "insert into t values($w, $i)"; i=$((i + 1)); done) &
done
wait
sqlite3 s.db 'select w, count(*), sum(n) from t group by w; pragma integrity_check; pragma wal_checkpoint(truncate);'
"""

LUA = r"""
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(co(), co(), co())
local f = assert(io.open("l.txt", "w")); for i = 1, 1000 do f:write(i, "\n") end f:close()
local s = 0; for line in io.lines("l.txt") do s = s + tonumber(line) end print(s)
print(os.execute("exit 3")); print(os.rename("l.txt", "m.txt"), os.remove("m.txt"))
print(string.format("%5.2f|%-5s|%q", 3.14159, "ab", "x\ny"), ("hello"):rep(2, "-"), #table.pack(("a,b,c"):gsub(",", ";")))
print(pcall(error, { code = 7 })); print(os.getenv("HOME"), os.time { year = 2020, month = 1, day = 1, hour = 12 } // 86400)
"""
LUA_SAYS = r"""1	2	3
500500
nil	exit	3
true	true
 3.14|ab   |"x\
y"	hello-hello	2
/root	18262"""

PERL = r"""
use strict; use warnings; use Socket; use IO::Select; use File::Find; use Time::HiRes qw(time sleep); use Storable qw(dclone);
socketpair(my $p, my $q, AF_UNIX, SOCK_STREAM, 0) or die; my $pid = fork;
if (!$pid) { close $p; my $l = <$q>; print $q uc $l; close $q; exit 5 }
close $q; syswrite $p, "over a socket\n"; print IO::Select->new($p)->can_read(20) ? scalar <$p> : "nothing\n"; waitpid $pid, 0; print $? >> 8, "\n";
mkdir "pd"; mkdir "pd/e"; for (1 .. 50) { open my $f, ">", "pd/e/$_" or die; print $f $_ x $_; }
my ($n, $s) = (0, 0); find(sub { if (-f) { $n++; $s += -s } }, "pd"); print "$n $s\n";
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 20; }; print $@;
my %h; $h{$_}++ for "the cat the dog the end" =~ /\w+/g; print join(" ", map { "$_=$h{$_}" } sort keys %h), "\n";
my $d = dclone({ a => [1, { b => 2 }] }); print $d->{a}[1]{b}, "\n"; printf "%s %d\n", join(",", sort { $a <=> $b } 10, 9, 100, 1), `echo 41` + 1;
"""
PERL_SAYS = """OVER A SOCKET
5
50 2505
alarm
cat=1 dog=1 end=1 the=3
2
1,9,10,100 42"""

TCC = r"""
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static void *thread(void *arg) { return (void *)((long)arg * 2); }
int main(int argc, char **argv)
{
	void *r;
	pthread_t t;
	char *names[] = { "c", "a", "b" };
	qsort(names, 3, sizeof(*names), compare);
	pthread_create(&t, 0, thread, (void *)21);
	pthread_join(t, &r);
	if (!fork())
		_exit(9);
	int s;
	wait(&s);
	printf("%s%s%s %ld %d %.3f %d\n", names[0], names[1], names[2], (long)r, WEXITSTATUS(s), sqrt(2), argc);
	return 0;
}
"""


@slow
def test_languages(lab):
    """sqlite3 with three writers, lua, perl, tcc in memory and to a file."""
    with workplace(lab) as vm:
        put(vm, "two.sh", TWO_WRITERS)
        equal(vm.check("sh two.sh", 240), "1|30|435\n2|30|435\n3|30|435\nok\n0|0|0")
        put(vm, "l.lua", LUA)
        out = vm.check("lua5.4 l.lua", 60)
        equal("\n".join(line for line in out.split("\n") if "table:" not in line), LUA_SAYS)
        put(vm, "p.pl", PERL)
        equal(vm.check("perl p.pl", 60), PERL_SAYS)
        put(vm, "t.c", TCC)
        equal(vm.check("tcc -lm -lpthread -run t.c x y", 60), "abc 42 9 1.414 3")
        equal(vm.check("tcc -o t t.c -lm -lpthread && ./t", 60), "abc 42 9 1.414 1")


@slow
def test_git_work(lab):
    """git, further: stash, rebase, tags, bisect, a bare remote, grep, blame, worktree, archive."""
    with workplace(lab) as vm:
        vm.check("git config --global user.email a@b; git config --global user.name n; export GIT_PAGER=cat; "
                 "git config --global init.defaultBranch main; git config --global advice.detachedHead false; git config --global color.ui false; git init -q r && cd r")
        vm.check("for i in 1 2 3 4 5 6 7 8; do echo $i >> f; git add f; git commit -q -m c$i; done; git tag -a v1 -m one HEAD~3", 120)
        equal(vm.check("git describe --tags"), "v1-3-g" + vm.check("git rev-parse --short HEAD"))
        vm.check("echo dirty >> f; git stash -q; git status --short | wc -l | grep -qx 0; git stash pop -q; git checkout -q f")
        vm.check("git checkout -q -b side HEAD~2; echo s > s; git add s; git commit -q -m side; git rebase -q main")
        equal(vm.check("git log --format=%s -3"), "side\nc8\nc7")
        out = vm.check("git bisect start HEAD HEAD~7 >/dev/null 2>&1; git bisect run sh -c '! grep -q 5 f' 2>&1 | grep 'first bad'; git bisect reset >/dev/null 2>&1", 120)
        matches("is the first bad commit", out)
        vm.check("git clone -q --bare . ../b.git 2>/dev/null; git remote add o ../b.git; git push -q o side; git fetch -q o; git branch -r | grep -q o/side", 60)
        equal(vm.check("git grep -c 5; git blame -s f | tail -1 | cut -d')' -f2"), "f:1\n 8")
        equal(vm.check("git worktree add -q ../wt main 2>/dev/null; cd ../wt; git log -1 --format=%s; cd ../r; git archive HEAD | tar t | xargs"), "c8\nf s")
        vm.check("git fsck --strict --full 2>&1 | grep -v dangling | grep . && false || true; git gc -q --aggressive --prune=now; git fsck", 120)
