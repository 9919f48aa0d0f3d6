// SPDX-License-Identifier: MIT
/* First program of the bench image: says that it is there, runs bench with
 * its own arguments, switches the machine off. */
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char first[] = "bench-init is here\n";

	(void)argc;
	(void)!write(1, first, sizeof(first) - 1);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("/dev/vdb", "/world", "ext2", 0, NULL); /* rows of programs need it; without it they are left out */
	pid_t c = fork();
	if (c == 0) {
		argv[0] = "bench";
		execv("/bench/bench", argv);
		_exit(127);
	}
	int s = 0;
	waitpid(c, &s, 0);
	dprintf(1, "bench-done %x\n", s);
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
