// SPDX-License-Identifier: MIT
/* The kernel's own addresses by way of another's memory: /proc/PID/mem, process_vm_readv(2) and writev, ptrace(2). */
#include "../abi.h"
#include <sys/ptrace.h>

static const unsigned long at[] = { 0xc0000000, 0xc0100000, 0xd0000ffc, 0xf8000000, 0xffc00000, 0xffffe000, 0xfffff000, 0xfffffffc };
enum { ADDRESSES = sizeof(at) / sizeof(at[0]) };

static void by_file(void)
{
	int fd = open("/proc/self/mem", O_RDWR);
	char name[64], buf[4] = "";

	for (int i = 0; i < ADDRESSES; i++) {
		struct iovec v = { buf, sizeof(buf) };

		snprintf(name, sizeof(name), "mem read %lx", at[i]);
		abi_return(name, pread64(fd, buf, sizeof(buf), at[i]));
		snprintf(name, sizeof(name), "mem write %lx", at[i]);
		abi_return(name, pwritev64(fd, &v, 1, at[i]));
	}
	close(fd);
}

static void by_call(pid_t pid)
{
	char name[64], buf[4] = "";

	for (int i = 0; i < ADDRESSES; i++) {
		struct iovec mine = { buf, sizeof(buf) }, other = { (void *)at[i], sizeof(buf) };

		snprintf(name, sizeof(name), "readv %lx", at[i]);
		abi_return(name, process_vm_readv(pid, &mine, 1, &other, 1, 0));
		snprintf(name, sizeof(name), "writev %lx", at[i]);
		abi_return(name, process_vm_writev(pid, &mine, 1, &other, 1, 0));
	}
}

static void by_ptrace(void)
{
	char name[64];
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	for (int i = 0; i < ADDRESSES; i++) {
		errno = 0;
		ptrace(PTRACE_PEEKDATA, pid, at[i], 0);
		snprintf(name, sizeof(name), "peek %lx", at[i]);
		abi_line(name, "%s", errno ? abi_errno(errno) : "read");
		snprintf(name, sizeof(name), "poke %lx", at[i]);
		abi_return(name, ptrace(PTRACE_POKEDATA, pid, at[i], 0));
	}
	by_call(pid);
	ptrace(PTRACE_CONT, pid, 0, 0);
	waitpid(pid, &status, 0);
	abi_status("child", status);
}

int main(void)
{
	by_file();
	by_call(getpid());
	by_ptrace();
	return 0;
}
