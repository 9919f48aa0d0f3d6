// SPDX-License-Identifier: MIT
/* Core dumps: when there is one, its name, its notes and areas, what the filter leaves out, a program that takes it. */
#include "../abi.h"
#include <elf.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/procfs.h>

int main(void);
static char *private_page, *shared_page, *hidden_page;

static void set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abi_line("setup", "cannot write %s: %s", path, abi_errno(errno));
	close(fd);
}

static void unlimited(rlim_t n)
{
	struct rlimit r = { n, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &r);
}

static void ends(const char *name, void (*fn)(void))
{
	int s;
	pid_t c = fork();

	if (c == 0) {
		fn();
		_exit(0);
	}
	waitpid(c, &s, 0);
	abi_line(name, "%s %d dumped %d", WIFSIGNALED(s) ? abi_signal(WTERMSIG(s)) : "exit", WIFSIGNALED(s) ? 0 : WEXITSTATUS(s), !!WCOREDUMP(s));
}

static void here(const char *name, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		abi_line(name, "none");
	else
		abi_line(name, "mode %o uid %d some %d", st.st_mode, st.st_uid, st.st_size > 4096);
	unlink(path);
}

static void aborts(void)
{
	abort();
}
static void segfaults(void)
{
	*(volatile int *)16 = 1;
}
static void quits(void)
{
	raise(SIGQUIT);
}
static void terminates(void)
{
	raise(SIGTERM);
}
static void undumpable(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	abort();
}
static void other_user(void)
{
	setuid(1000);
	abort();
}
static void small(void)
{
	unlimited(8192);
	abort();
}
static void tiny(void)
{
	unlimited(100);
	abort();
}
static void no_limit(void)
{
	unlimited(0);
	abort();
}

static void test_when(void)
{
	unlink("core");
	unlimited(RLIM_INFINITY);
	ends("abort", aborts);
	here("core", "core");
	ends("segfault", segfaults);
	here("core", "core");
	ends("quit", quits);
	here("core", "core");
	ends("term", terminates);
	here("core", "core");
	ends("not dumpable", undumpable);
	here("core", "core");
	ends("after setuid", other_user);
	here("core", "core");
	ends("limit 8192", small);
	here("core", "core");
	ends("limit 100", tiny);
	here("core", "core");
	ends("limit 0", no_limit);
	here("core", "core");
	symlink("elsewhere", "core");
	ends("a link", aborts);
	here("core", "elsewhere");
	unlink("core");
	abi_file("core", "old", 0600);
	ends("over an old one", aborts);
	here("core", "core");
	abi_file("core", "old", 0644);
	ends("over a readable one", aborts);
	here("core", "core");
	mkdir("core", 0700);
	ends("a directory", aborts);
	rmdir("core");
}

static void test_names(void)
{
	struct dirent *e;
	DIR *d;

	mkdir("dumps", 0777);
	set("/proc/sys/kernel/core_pattern", "dumps/c-%e-%s-%u-%g-%d-%%-%q-%f");
	ends("named", aborts);
	d = opendir("dumps");
	while ((e = readdir(d)))
		if (e->d_name[0] == 'c') {
			char path[300];

			STR("name", e->d_name);
			snprintf(path, sizeof(path), "dumps/%s", e->d_name);
			unlink(path);
		}
	closedir(d);
	rmdir("dumps");
	set("/proc/sys/kernel/core_pattern", "");
	ends("no name", aborts);
	set("/proc/sys/kernel/core_pattern", "missing/core");
	ends("no directory", aborts);
	set("/proc/sys/kernel/core_pattern", "core\n");
}

static void *sleeper(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void three_threads(void)
{
	pthread_t t;

	pthread_create(&t, NULL, sleeper, NULL);
	pthread_create(&t, NULL, sleeper, NULL);
	abi_sleep_ms(50); /* they sleep */
	prctl(PR_SET_NAME, "threads");
	raise(SIGTRAP);
}

/* What the dump holds of an address: -2 no area, -1 not in the file, else the byte. */
static int byte_at(int fd, const Elf32_Ehdr *e, unsigned long addr)
{
	for (int i = 0; i < e->e_phnum; i++) {
		Elf32_Phdr p;
		unsigned char c;

		pread(fd, &p, sizeof(p), (off_t)(e->e_phoff + (size_t)i * sizeof(p)));
		if (p.p_type != PT_LOAD || addr < p.p_vaddr || addr >= p.p_vaddr + p.p_memsz)
			continue;
		if (addr - p.p_vaddr >= p.p_filesz || pread(fd, &c, 1, (off_t)(p.p_offset + addr - p.p_vaddr)) != 1)
			return -1;
		return c;
	}
	return -2;
}

static void show_note(const Elf32_Nhdr *n, const char *name, const char *data)
{
	abi_line("note", "%s %x size %d", name, n->n_type, n->n_type == NT_FILE || n->n_type == NT_AUXV ? -1 : (int)n->n_descsz);
	if (n->n_type == NT_PRSTATUS && !strcmp(name, "CORE")) {
		const struct elf_prstatus *st = (const void *)data;

		abi_line("status", "cursig %d signo %d code %d valid %d held %lx cs %lx", st->pr_cursig, st->pr_info.si_signo, st->pr_info.si_code, st->pr_fpvalid,
			 st->pr_sighold, (unsigned long)st->pr_reg[13]);
	} else if (n->n_type == NT_PRPSINFO) {
		const struct elf_prpsinfo *ps = (const void *)data;

		abi_line("psinfo", "%c %d name '%s' args '%.12s' uid %d", ps->pr_sname, ps->pr_nice, ps->pr_fname, ps->pr_psargs, ps->pr_uid);
	} else if (n->n_type == NT_SIGINFO) {
		const siginfo_t *si = (const void *)data;

		abi_line("siginfo", "%d %d", si->si_signo, si->si_code);
	} else if (n->n_type == NT_FILE) {
		const long *w = (const void *)data;

		abi_line("files", "page %ld some %d", w[1], w[0] > 0);
	} else if (n->n_type == NT_PRFPREG) {
		abi_bytes("x87", data, 28);
	}
}

static void look(const char *name)
{
	static char notes[65536];
	Elf32_Ehdr e;
	Elf32_Phdr p;
	int fd = open("core", O_RDONLY);

	if (fd < 0 || pread(fd, &e, sizeof(e), 0) != sizeof(e)) {
		FAILED(name);
		return;
	}
	abi_line(name, "magic %.3s class %d type %d machine %d phentsize %d", e.e_ident + 1, e.e_ident[4], e.e_type, e.e_machine, e.e_phentsize);
	pread(fd, &p, sizeof(p), (off_t)e.e_phoff);
	abi_line("first", "type %d flags %d", p.p_type, p.p_flags);
	pread(fd, notes, p.p_filesz < sizeof(notes) ? p.p_filesz : sizeof(notes), (off_t)p.p_offset);
	for (size_t at = 0; at + 12 < p.p_filesz;) {
		const Elf32_Nhdr *n = (const void *)(notes + at);
		const char *data = notes + at + 12 + ((n->n_namesz + 3) & ~3u);

		show_note(n, notes + at + 12, data);
		at = (size_t)(data - notes) + ((n->n_descsz + 3) & ~3u);
	}
	NUM("private", byte_at(fd, &e, (unsigned long)private_page));
	NUM("shared", byte_at(fd, &e, (unsigned long)shared_page));
	NUM("hidden", byte_at(fd, &e, (unsigned long)hidden_page));
	NUM("text", byte_at(fd, &e, (unsigned long)main & ~4095ul));
	NUM("stack", byte_at(fd, &e, (unsigned long)&e) >= 0);
	close(fd);
	unlink("core");
}

static void test_contents(void)
{
	char text[16] = { 0 };
	int fd;

	private_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	hidden_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*private_page = 11;
	*shared_page = 22;
	*hidden_page = 33;
	madvise(hidden_page, 4096, MADV_DONTDUMP);
	ends("threads", three_threads);
	look("dump");
	fd = open("/proc/self/coredump_filter", O_RDWR);
	read(fd, text, 15);
	STR("filter", text);
	CALL("set filter", write(fd, "0x4\n", 4));
	CALL("bad filter", write(fd, "x\n", 2));
	close(fd);
	ends("only files", aborts);
	look("dump");
	set("/proc/self/coredump_filter", "2");
	ends("only shared", aborts);
	look("dump");
	set("/proc/self/coredump_filter", "0x33");
}

static void test_program(void)
{
	struct stat st;

	abi_file("taker", "#!/bin/sh\ncat > core.taken\necho \"$1 $2 $#\" > core.args\n", 0755);
	{
		char pattern[128], cwd[64];

		getcwd(cwd, sizeof(cwd));
		snprintf(pattern, sizeof(pattern), "taker.sh");
		abi_file("taker.sh", "#!/bin/sh\ncd \"$1\"\n/bin/busybox cat > core.taken\necho \"$2 $3 $#\" > core.args\n", 0755);
		snprintf(pattern, sizeof(pattern), "|%s/taker.sh %s %%s  a%%%%b", cwd, cwd);
		set("/proc/sys/kernel/core_pattern", pattern);
	}
	unlimited(0);
	ends("to a program", aborts);
	abi_sleep_ms(200);
	if (stat("core.taken", &st) == 0) {
		char text[64] = { 0 };
		int fd = open("core.args", O_RDONLY);

		read(fd, text, 63);
		close(fd);
		STR("arguments", text);
		rename("core.taken", "core");
		look("piped");
	} else {
		FAILED("nothing taken");
	}
	set("/proc/sys/kernel/core_pattern", "|/no/such/program");
	ends("no program", aborts);
	set("/proc/sys/kernel/core_pattern", "core\n");
}

int main(void)
{
	char text[64] = { 0 };
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);

	read(fd, text, 63);
	STR("pattern", text);
	close(fd);
	test_when();
	test_names();
	test_contents();
	test_program();
	return 0;
}
