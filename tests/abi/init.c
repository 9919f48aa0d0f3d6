// SPDX-License-Identifier: MIT
/*
 * First program of the ABI image.  Mounts what the programs need, runs each
 * line of /abi/list ("name where argument"), numbered, in a session of its own
 * and a fresh scratch directory, then switches the machine off.  An argument
 * "from=N" starts at line N: the harness uses it after a program that took the
 * kernel with it; "only=NAME,NAME" runs these.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 30000, STEP_MS = 5 };

static void say(const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t r = write(1, text, n);
		if (r <= 0)
			return;
		text += r;
		n -= (size_t)r;
	}
}

/* Is the name one of these, separated by commas? */
static int among(const char *names, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = names; (p = strstr(p, name)) != NULL; p += n)
		if ((p == names || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
			return 1;
	return 0;
}

static void mount_or_say(const char *type, const char *where, const char *options)
{
	char line[128];

	mkdir(where, 0755);
	if (mount(type, where, type, 0, options) < 0 && errno != EBUSY) {
		snprintf(line, sizeof(line), "=== mount %s on %s: %s\n", type, where, strerror(errno));
		say(line);
	}
}

static void child(const char *name, const char *where, const char *argument)
{
	char path[256], dir[256];
	char *argv[] = { path, argument[0] ? (char *)argument : NULL, NULL };
	char *envp[] = { "PATH=/bin:/abi", "HOME=/", NULL };

	setsid();
	snprintf(path, sizeof(path), "/abi/%s", name);
	snprintf(dir, sizeof(dir), "%s/%s", where, name);
	mkdir(dir, 0755);
	if (chdir(dir) < 0) {
		say("=== no scratch directory\n");
		_exit(127);
	}
	umask(022);
	execve(path, argv, envp);
	say("=== cannot exec\n");
	_exit(127);
}

/* Wait with a limit; whatever else still lives dies. */
static void finish(pid_t pid, char *text, size_t size)
{
	struct timespec step = { 0, STEP_MS * 1000000 };
	int status = 0;

	for (int waited = 0;;) {
		pid_t r = waitpid(-1, &status, WNOHANG);

		if (r == pid)
			break;
		if (r > 0)
			continue;	/* an orphan, which is init's to reap */
		if (waited >= LIMIT_MS) {
			kill(-1, SIGKILL);
			waitpid(pid, &status, 0);
			snprintf(text, size, "timeout");
			return;
		}
		nanosleep(&step, NULL);
		waited += STEP_MS;
	}
	if (WIFEXITED(status))
		snprintf(text, size, "exit %d", WEXITSTATUS(status));
	else
		snprintf(text, size, "signal %d", WTERMSIG(status));
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0) {
	}
}

int main(int argc, char **argv)
{
	static char list[16384];
	const char *only = NULL;
	int from = 0, number = 0;
	int fd;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "from=", 5) == 0)
			from = atoi(argv[i] + 5);
		if (strncmp(argv[i], "only=", 5) == 0)
			only = argv[i] + 5;
	}
	if (getenv("from"))
		from = atoi(getenv("from"));
	if (getenv("only"))
		only = getenv("only");
	mount_or_say("proc", "/proc", NULL);
	mount_or_say("devtmpfs", "/dev", NULL);
	mount_or_say("tmpfs", "/tmp", "mode=1777");
	mount_or_say("devpts", "/dev/pts", "ptmxmode=666");
	mkdir("/scratch", 0755);
	fd = open("/abi/list", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, list, sizeof(list) - 1) <= 0)
		say("=== no /abi/list\n");
	close(fd);
	for (char *save, *line = strtok_r(list, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save), number++) {
		char name[64], where[64], argument[64] = "", end[32], text[256];
		pid_t pid;

		if (sscanf(line, "%63s %63s %63s", name, where, argument) < 2)
			continue;
		if (number < from || (only && !among(only, name)))
			continue;
		snprintf(text, sizeof(text), "\n=== begin %d %s\n", number, line);
		say(text);
		pid = fork();
		if (pid == 0)
			child(name, where, argument);
		if (pid < 0) {
			snprintf(end, sizeof(end), "no fork");
		} else {
			finish(pid, end, sizeof(end));
		}
		snprintf(text, sizeof(text), "\n=== end %d %s\n", number, end);
		say(text);
	}
	say("=== all done\n");
	sync();
	reboot(RB_POWER_OFF);
	say("=== power off failed\n");
	for (;;)
		pause();
}
