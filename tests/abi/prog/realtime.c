// SPDX-License-Identifier: MIT
/* A real-time task that never sleeps leaves a little to the others: sched(7). */
#include "../abi.h"
#include <sys/mman.h>

#define PERIOD "/proc/sys/kernel/sched_rt_period_us"
#define RUNTIME "/proc/sys/kernel/sched_rt_runtime_us"

static void show(const char *name, const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	STR(name, text);
	close(fd);
}

static void set(const char *name, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CALL(name, write(fd, text, strlen(text)));
	close(fd);
}

/* Two children: one spins with a real-time policy until the other, an ordinary one, has run. */
static void starve(const char *name, int policy)
{
	volatile int *flag = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sched_param p = { .sched_priority = 50 };
	pid_t spinner, other;
	int s = 0, go[2];
	char c;

	if (pipe(go) < 0)
		return;
	other = fork();
	if (other == 0) {
		if (read(go[0], &c, 1) == 1)
			*flag = 2;
		_exit(0);
	}
	spinner = fork();
	if (spinner == 0) {
		if (sched_setscheduler(0, policy, &p) < 0 || write(go[1], "x", 1) != 1)
			_exit(3);
		for (long long end = abi_now_ms() + 5000; *flag != 2 && abi_now_ms() < end;) {
		}
		_exit(*flag == 2 ? 0 : 4);
	}
	waitpid(spinner, &s, 0);
	abi_status(name, s);
	waitpid(other, NULL, 0);
	close(go[0]);
	close(go[1]);
	munmap((void *)flag, 4096);
}

int main(void)
{
	show("period", PERIOD);
	show("runtime", RUNTIME);
	starve("FIFO", SCHED_FIFO);
	starve("RR", SCHED_RR);
	set("runtime above period", RUNTIME, "1000001");
	set("runtime -2", RUNTIME, "-2");
	set("period 0", PERIOD, "0");
	set("period below runtime", PERIOD, "900000");
	set("words", RUNTIME, "all");
	show("runtime still", RUNTIME);
	set("runtime -1", RUNTIME, "-1");
	show("runtime then", RUNTIME);
	set("runtime back", RUNTIME, "950000");
	return 0;
}
