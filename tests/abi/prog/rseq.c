// SPDX-License-Identifier: MIT
/* Restartable sequences: registration, the CPU number, abort by a signal and by another thread's turn. */
#include "../abi.h"
#include <sys/rseq.h>

#define SIG 0x53053053

static struct { uint32_t start, id; uint64_t cs; uint32_t flags, pad[3]; } area __attribute__((aligned(32)));
static struct { uint32_t version, flags; uint64_t start, length, abort; } section __attribute__((aligned(32)));
static volatile int handled;

static long reg(void *p, unsigned size, int flags, unsigned sig)
{
	return syscall(SYS_rseq, p, size, flags, sig);
}

static void on(int s)
{
	(void)s;
	handled++;
}

/* Goes round in a section until it is thrown out of it. */
static void stay(void)
{
	__asm__ volatile(
		"movl $1f, 8(%0)\n\tmovl $0, 12(%0)\n\tmovl $2f - 1f, 16(%0)\n\tmovl $0, 20(%0)\n\tmovl $4f, 24(%0)\n\tmovl $0, 28(%0)\n\t"
		"movl $0, 12(%1)\n\tmovl %0, 8(%1)\n"
		"1:\tincl %%eax\n\tjmp 1b\n"
		"2:\tud2\n\t.byte 0x0f, 0xb9, 0x3d\n\t.long 0x53053053\n"
		"4:\n"
		: : "r"(&section), "r"(&area) : "eax", "memory");
}

int main(void)
{
	void *own = (char *)__builtin_thread_pointer() + __rseq_offset;
	pid_t k;

	NUM("size", __rseq_size);
	CALL("again", reg(own, 32, 0, SIG));
	CALL("other signature", reg(own, 32, 0, 1));
	CALL("other place", reg(&area, 32, 0, SIG));
	CALL("leave with bad signature", reg(own, 32, 1, 1));
	CALL("leave elsewhere", reg(&area, 32, 1, SIG));
	CALL("leave", reg(own, 32, 1, SIG));
	CALL("leave again", reg(own, 32, 1, SIG));
	CALL("unaligned", reg((char *)&area + 4, 32, 0, SIG));
	CALL("bad size", reg(&area, 31, 0, SIG));
	CALL("bad flags", reg(&area, 32, 2, SIG));
	CALL("kernel address", reg((void *)0xC0100000, 32, 0, SIG));
	area.id = (uint32_t)-1;
	CALL("register", reg(&area, 32, 0, SIG));
	abi_line("cpu", "%d %d", (int)area.start, (int)area.id);
	signal(SIGALRM, on);
	setitimer(ITIMER_REAL, &(struct itimerval) { .it_value = { 0, 20000 } }, NULL);
	while (!handled) /* another's turn may come first */
		stay();
	NUM("out by signal", handled);
	YES("section forgotten", area.cs == 0);
	CHILD("child", YES("child has it", reg(&area, 32, 0, SIG) == -1 && errno == EBUSY));
	k = fork();
	if (k == 0) {
		for (;;) {
		}
	}
	stay();
	NUM("out by another's turn", handled);
	kill(k, SIGKILL);
	waitpid(k, NULL, 0);
	CHILD("bad section", area.cs = 0xC0000000u; abi_sleep_ms(1); sched_yield(); raise(SIGALRM));
	CHILD("wrong signature", reg(&area, 32, 1, SIG); reg(&area, 32, 0, 7);
		setitimer(ITIMER_REAL, &(struct itimerval) { .it_value = { 0, 20000 } }, NULL);
		stay());
	CHILD("unmapped area", reg(&area, 32, 1, SIG); reg((void *)0x20000000, 32, 0, SIG));
	CALL("unregister", reg(&area, 32, 1, SIG));
	NUM("no cpu", (int)area.id);
	return 0;
}
