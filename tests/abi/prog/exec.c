// SPDX-License-Identifier: MIT
/* execve: arguments, scripts, errors, what survives; fd close-on-exec; auxv. */
#include "../abi.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;

static void abort_unused(int s)
{
	(void)s;
	abort();
}

/* This same program, when exec'd, reports what it was given. */
static int report(int argc, char **argv)
{
	char text[900] = "";

	for (int i = 0; i < argc && i < 12; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%.60s]", argv[i]);
	abi_line("argv", "%d %s", argc, text);
	text[0] = 0;
	for (char **e = environ; *e; e++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%.40s]", *e);
	abi_line("envp", "%s", text);
	if (argc > 1 && strcmp(argv[1], "fds") == 0)
		for (int fd = 3; fd < 12; fd++)
			if (fcntl(fd, F_GETFD) >= 0)
				NUM("open fd", fd);
	if (argc > 1 && strcmp(argv[1], "signals") == 0) {
		struct sigaction sa;
		sigset_t m;
		sigaction(SIGUSR1, NULL, &sa);
		YES("handler reset", sa.sa_handler == SIG_DFL);
		sigaction(SIGUSR2, NULL, &sa);
		YES("ignored kept", sa.sa_handler == SIG_IGN);
		sigprocmask(SIG_BLOCK, NULL, &m);
		YES("mask kept", sigismember(&m, SIGHUP));
		sigpending(&m);
		YES("pending kept", sigismember(&m, SIGHUP));
		YES("alarm kept", alarm(0) > 0);
		stack_t ss;
		sigaltstack(NULL, &ss);
		NUM("altstack", ss.ss_flags);
	}
	if (argc > 1 && strcmp(argv[1], "auxv") == 0) {
		NUM("pagesz", getauxval(AT_PAGESZ));
		NUM("phent", getauxval(AT_PHENT));
		NUM("clktck", getauxval(AT_CLKTCK));
		NUM("flags", getauxval(AT_FLAGS));
		NUM("base", getauxval(AT_BASE));
		NUM("secure", getauxval(AT_SECURE));
		NUM("uid", getauxval(AT_UID));
		NUM("euid", getauxval(AT_EUID));
		NUM("gid", getauxval(AT_GID));
		NUM("egid", getauxval(AT_EGID));
		YES("phdr", getauxval(AT_PHDR) != 0 && getauxval(AT_PHNUM) > 2);
		YES("entry", getauxval(AT_ENTRY) != 0);
		YES("random", getauxval(AT_RANDOM) != 0);
		STR("platform", (char *)getauxval(AT_PLATFORM));
		YES("execfn", getauxval(AT_EXECFN) != 0);
		STR("execfn", getauxval(AT_EXECFN) ? (char *)getauxval(AT_EXECFN) : "");
		YES("sysinfo", getauxval(AT_SYSINFO) != 0);
		const unsigned char *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
		YES("vdso is ELF", vdso && memcmp(vdso, ELFMAG, SELFMAG) == 0);
	}
	return 42;
}

#define RUN(name, path, ...) CHILD(name, \
	char *av[] = { __VA_ARGS__, NULL }; char *ev[] = { "A=1", "B=two words", NULL }; \
	execve(path, av, ev); FAILED("execve " name))

int main(int argc, char **argv)
{
	char self[64] = "/abi/exec";
	char arg0[] = "name";

	if (getenv("A") || argc < 1 || strcmp(argv[0], "/abi/exec") != 0)
		return report(argc, argv);
	RUN("plain", self, arg0, "one", "", "three 3");
	RUN("auxv", self, arg0, "auxv");
	CHILD("null argv", execve(self, NULL, NULL); FAILED("null argv"));
	CHILD("null argv and envp", char *av[] = { arg0, NULL }; execve(self, av, NULL); _exit(1));
	RUN("missing", "./none", arg0);
	RUN("directory", "/abi", arg0);
	RUN("empty path", "", arg0);
	RUN("not dir", "/abi/exec/x", arg0);
	abi_file("plain", "just text\n", 0755);
	RUN("noexec format", "./plain", arg0);
	abi_file("empty", "", 0755);
	RUN("empty file", "./empty", arg0);
	abi_file("noperm", "#!/abi/exec\n", 0644);
	RUN("no x bit", "./noperm", arg0);
	abi_file("script", "#!/abi/exec\n", 0755);
	RUN("script", "./script", arg0, "a", "b");
	abi_file("script2", "#! /abi/exec  one arg with spaces \t \nrest\n", 0755);
	RUN("script with argument", "./script2", arg0, "a");
	abi_file("script3", "#!/abi/exec", 0755);
	RUN("script without newline", "./script3", arg0);
	abi_file("script4", "#!\n", 0755);
	RUN("script of nothing", "./script4", arg0);
	abi_file("script5", "#!/none/interp\n", 0755);
	RUN("script missing interpreter", "./script5", arg0);
	abi_file("script6", "#!./script\n", 0755);
	RUN("script of script", "./script6", arg0, "z");
	abi_file("l1", "#!./l1\n", 0755);
	RUN("script of itself", "./l1", arg0);
	char many[40];
	abi_file("d0", "#!/abi/exec\n", 0755);
	for (int i = 1; i < 7; i++) {
		char text[32];
		snprintf(text, sizeof(text), "#!./d%d\n", i - 1);
		snprintf(many, sizeof(many), "d%d", i);
		abi_file(many, text, 0755);
	}
	RUN("depth 4", "./d4", arg0);
	RUN("depth 5", "./d5", arg0);
	RUN("depth 6", "./d6", arg0);
	char path[400];
	memset(path, 'p', sizeof(path));
	memcpy(path, "#!/", 3);
	path[253] = '\n';
	path[254] = 0;
	abi_file("longline", path, 0755);
	RUN("long interpreter", "./longline", arg0);
	path[253] = 'p';
	path[300] = '\n';
	path[301] = 0;
	abi_file("toolong", path, 0755);
	RUN("too long interpreter", "./toolong", arg0);
	char script_bin[] = "#!/bin/busybox sh\necho check shell script: $0 $1\nexit 12\n";
	abi_file("sh", script_bin, 0755);
	RUN("busybox script", "./sh", arg0, "arg");
	/* Damaged ELF files. */
	char head[84];
	int fd = open("/abi/exec", O_RDONLY);
	read(fd, head, sizeof(head));
	close(fd);
	fd = open("elfcut", O_CREAT | O_WRONLY, 0755);
	write(fd, head, 40);
	close(fd);
	RUN("elf cut in header", "./elfcut", arg0);
	head[18] = 62;
	fd = open("elf64", O_CREAT | O_WRONLY, 0755);
	write(fd, head, sizeof(head));
	close(fd);
	RUN("elf wrong machine", "./elf64", arg0);
	head[18] = 3;
	head[16] = 1;
	fd = open("elfrel", O_CREAT | O_WRONLY, 0755);
	write(fd, head, sizeof(head));
	close(fd);
	RUN("elf relocatable", "./elfrel", arg0);
	/* A file open for writing. */
	fd = open("busy", O_CREAT | O_RDWR, 0755);
	write(fd, "#!/abi/exec\n", 12);
	RUN("text busy", "./busy", arg0);
	close(fd);
	/* What exec keeps and closes. */
	open("plain", O_RDONLY);
	open("plain", O_RDONLY | O_CLOEXEC);
	open("plain", O_RDONLY);
	RUN("descriptors", self, arg0, "fds");
	CHILD("signals",
		setenv("A", "signals", 1);
		signal(SIGUSR1, abort_unused); signal(SIGUSR2, SIG_IGN);
		sigset_t m; sigemptyset(&m); sigaddset(&m, SIGHUP); sigprocmask(SIG_BLOCK, &m, NULL);
		kill(getpid(), SIGHUP);
		alarm(100);
		static char alt[16384];
		stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
		sigaltstack(&ss, NULL);
		char *av[] = { arg0, "signals", NULL };
		execve(self, av, environ));
	/* Sizes. */
	char *large = malloc(140000);
	memset(large, 'L', 140000);
	large[131071] = 0;
	RUN("argument of 128 KiB - 1", self, arg0, large);
	large[131071] = 'L';
	large[131072] = 0;
	RUN("argument of 128 KiB", self, arg0, large);
	static char *lots[40];
	large[131072] = 0;
	large[100000] = 0;
	for (int i = 0; i < 39; i++)
		lots[i] = large;
	CHILD("e2big in total", execve(self, lots, environ); FAILED("e2big"));
	CHILD("bad argv", execve(self, (char **)8, environ); FAILED("bad argv"));
	CHILD("bad argv string", char *av[] = { arg0, (char *)8, NULL }; execve(self, av, environ);
		FAILED("bad argv string"));
	fd = open("/abi/exec", O_RDONLY | O_CLOEXEC);
	CHILD("execveat", char *av[] = { arg0, "at", NULL }; char *ev[] = { NULL };
		syscall(SYS_execveat, fd, "", av, ev, AT_EMPTY_PATH); FAILED("execveat"));
	CHILD("set-id program", (void)0;
		/* A copy of this program owned by another, with the set-id bits. */
		int in = open("/abi/exec", O_RDONLY);
		int out = open("setid", O_CREAT | O_WRONLY | O_TRUNC, 0755);
		static char block[65536];
		long n;
		while ((n = read(in, block, sizeof(block))) > 0)
			write(out, block, (size_t)n);
		fchown(out, 500, 600);
		fchmod(out, 06755);
		close(out);
		chmod(".", 0755);
		setgid(1000); setuid(1000);
		char *av[] = { arg0, "auxv", NULL };
		char *ev[] = { NULL };
		execve("./setid", av, ev);
		FAILED("setid"));
	return 0;
}
