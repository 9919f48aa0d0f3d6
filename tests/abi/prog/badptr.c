// SPDX-License-Identifier: MIT
/*
 * Every system call that takes a pointer, with NULL, an unmapped address and a
 * kernel address in each pointer argument in turn, the others being good.
 * Each call runs in a child with a limit; its errno must be Linux's.
 * Argument "LOW-HIGH": only these numbers.
 */
#include "../abi.h"

/*
 * One letter an argument: p a buffer, P a path, both of which are tested;
 * f a descriptor of a file, d the working directory, n a length of 16,
 * 0..9 that number, m -1, s SIGUSR1, e an epoll descriptor, k a socket.
 */
static const struct {
	int number;
	const char *name;
	const char *kinds;
} calls[] = {
#define C(n, k) { SYS_##n, #n, k }
	C(read, "fpn"), C(write, "fpn"), C(open, "P00"), C(waitpid, "mp1"), C(creat, "P0"), C(link, "PP"),
	C(unlink, "P"), C(execve, "Ppp"), C(chdir, "P"), C(time, "p"), C(mknod, "P00"), C(chmod, "P0"),
	C(lchown, "P00"), C(oldstat, "Pp"), C(mount, "PPP0p"), C(umount, "P"), C(stime, "p"), C(oldfstat, "fp"),
	C(utime, "Pp"), C(access, "P0"), C(rename, "PP"), C(mkdir, "P0"), C(rmdir, "P"), C(pipe, "p"),
	C(times, "p"), C(acct, "P"), C(umount2, "P0"), C(olduname, "p"), C(chroot, "P"), C(ustat, "0p"),
	C(sigaction, "spp"), C(sigpending, "p"), C(sethostname, "pn"), C(setrlimit, "7p"), C(getrlimit, "7p"),
	C(getrusage, "0p"), C(gettimeofday, "pp"), C(settimeofday, "pp"), C(getgroups, "4p"), C(setgroups, "4p"),
	C(symlink, "PP"), C(oldlstat, "Pp"), C(readlink, "Ppn"), C(uselib, "P"), C(swapon, "P0"),
	C(readdir, "fp0"), C(mmap, "p"), C(truncate, "P0"), C(statfs, "Pp"), C(fstatfs, "fp"),
	C(socketcall, "1p"), C(syslog, "3pn"), C(setitimer, "0pp"), C(getitimer, "0p"), C(stat, "Pp"),
	C(lstat, "Pp"), C(fstat, "fp"), C(uname, "p"), C(wait4, "mp1p"), C(swapoff, "P"), C(sysinfo, "p"),
	C(setdomainname, "pn"), C(modify_ldt, "0pn"), C(adjtimex, "p"), C(sigprocmask, "0pp"),
	C(init_module, "pnp"), C(quotactl, "0P0p"), C(_llseek, "f00p0"), C(getdents, "dpn"), C(_newselect, "1pppp"),
	C(readv, "fp1"), C(writev, "fp1"), C(_sysctl, "p"), C(mlock, "pn"), C(munlock, "pn"),
	C(sched_setparam, "0p"), C(sched_getparam, "0p"), C(sched_setscheduler, "00p"),
	C(sched_rr_get_interval, "0p"), C(nanosleep, "pp"), C(mremap, "pnn00"), C(getresuid, "ppp"),
	C(poll, "p10"), C(getresgid, "ppp"), C(prctl, "9p000"), C(rt_sigaction, "spp8"), C(rt_sigprocmask, "0pp8"),
	C(rt_sigpending, "p8"), C(rt_sigtimedwait, "ppp8"), C(rt_sigqueueinfo, "0sp"), C(rt_sigsuspend, "p8"),
	C(pread64, "fpn0"), C(pwrite64, "fpn0"), C(chown, "P00"), C(getcwd, "pn"), C(capget, "pp"),
	C(capset, "pp"), C(sigaltstack, "pp"), C(sendfile, "ffpn"), C(ugetrlimit, "7p"), C(truncate64, "P0"),
	C(stat64, "Pp"), C(lstat64, "Pp"), C(fstat64, "fp"), C(lchown32, "P00"), C(getgroups32, "4p"),
	C(setgroups32, "4p"), C(getresuid32, "ppp"), C(getresgid32, "ppp"), C(chown32, "P00"),
	C(pivot_root, "PP"), C(mincore, "pnp"), C(madvise, "pn0"), C(getdents64, "dpn"), C(fcntl64, "f5p"),
	C(setxattr, "PPpn0"), C(lsetxattr, "PPpn0"), C(fsetxattr, "fPpn0"), C(getxattr, "PPpn"),
	C(lgetxattr, "PPpn"), C(fgetxattr, "fPpn"), C(listxattr, "Ppn"), C(llistxattr, "Ppn"), C(flistxattr, "fpn"),
	C(removexattr, "PP"), C(lremovexattr, "PP"), C(fremovexattr, "fP"), C(sendfile64, "ffpn"),
	C(futex, "p1100"), C(sched_setaffinity, "04p"), C(sched_getaffinity, "04p"), C(set_thread_area, "p"),
	C(get_thread_area, "p"), C(io_setup, "1p"), C(io_getevents, "000pp"), C(io_submit, "01p"),
	C(io_cancel, "0pp"), C(lookup_dcookie, "00pn"), C(epoll_ctl, "e1fp"), C(epoll_wait, "ep10"),
	C(set_tid_address, "p"), C(timer_create, "1pp"), C(timer_settime, "00pp"), C(timer_gettime, "0p"),
	C(clock_settime, "0p"), C(clock_gettime, "1p"), C(clock_getres, "1p"), C(clock_nanosleep, "10pp"),
	C(statfs64, "P0p"), C(fstatfs64, "f0p"), C(utimes, "Pp"), C(mq_open, "P00p"), C(mq_unlink, "P"),
	C(mq_timedsend, "0pn0p"), C(mq_timedreceive, "0pnpp"), C(mq_notify, "0p"), C(mq_getsetattr, "0pp"),
	C(waitid, "0mp4p"), C(add_key, "PPpn0"), C(request_key, "PPP0"), C(inotify_add_watch, "fP0"),
	C(openat, "dP00"), C(mkdirat, "dP0"), C(mknodat, "dP00"), C(fchownat, "dP000"), C(futimesat, "dPp"),
	C(fstatat64, "dPp0"), C(unlinkat, "dP0"), C(renameat, "dPdP"), C(linkat, "dPdP0"), C(symlinkat, "PdP"),
	C(readlinkat, "dPpn"), C(fchmodat, "dP0"), C(faccessat, "dP0"), C(pselect6, "1ppppp"), C(ppoll, "p1pp8"),
	C(set_robust_list, "p12"), C(get_robust_list, "0pp"), C(splice, "fpfpn0"), C(vmsplice, "fp10"),
	C(move_pages, "01pppp"), C(getcpu, "ppp"), C(epoll_pwait, "ep10p8"), C(utimensat, "dPp0"), C(signalfd, "mp8"),
	C(timerfd_settime, "f0pp"), C(timerfd_gettime, "fp"), C(signalfd4, "mp80"), C(pipe2, "p0"),
	C(preadv, "fp100"), C(pwritev, "fp100"), C(rt_tgsigqueueinfo, "00sp"), C(perf_event_open, "p0m00"),
	C(recvmmsg, "kp10p"), C(prlimit64, "07pp"), C(name_to_handle_at, "dPpp0"), C(open_by_handle_at, "dp0"),
	C(clock_adjtime, "0p"), C(sendmmsg, "kp10"), C(process_vm_readv, "0p1p10"), C(process_vm_writev, "0p1p10"),
	C(finit_module, "fP0"), C(sched_setattr, "0p0"), C(sched_getattr, "0p480"), C(renameat2, "dPdP0"),
	C(getrandom, "pn4"), C(memfd_create, "P0"), C(bpf, "0p9"), C(execveat, "dPpp0"), C(socketpair, "110p"),
	C(bind, "kpn"), C(connect, "kpn"), C(accept4, "kpp0"), C(getsockopt, "k13pp"), C(setsockopt, "k12p4"),
	C(getsockname, "kpp"), C(getpeername, "kpp"), C(sendto, "kpn0p0"), C(sendmsg, "kp0"), C(recvfrom, "kpn2pp"),
	C(recvmsg, "kp2"), C(copy_file_range, "fpfpn0"), C(preadv2, "fp1000"), C(pwritev2, "fp1000"),
	C(statx, "dP00p"), C(io_pgetevents, "000ppp"), C(rseq, "p000"), C(semctl, "0004"), C(shmctl, "00p"),
	C(shmat, "0p0"), C(shmdt, "p"), C(msgctl, "00p"), C(msgsnd, "0pn0"), C(msgrcv, "0pn00"),
	C(clock_gettime64, "1p"), C(clock_settime64, "0p"), C(clock_adjtime64, "0p"), C(clock_getres_time64, "1p"),
	C(clock_nanosleep_time64, "10pp"), C(timer_gettime64, "0p"), C(timer_settime64, "00pp"),
	C(timerfd_gettime64, "fp"), C(timerfd_settime64, "f0pp"), C(utimensat_time64, "dPp0"),
	C(pselect6_time64, "1ppppp"), C(ppoll_time64, "p1pp8"), C(recvmmsg_time64, "kp10p"),
	C(mq_timedsend_time64, "0pn0p"), C(semtimedop_time64, "0p1p"), C(rt_sigtimedwait_time64, "ppp8"),
	C(futex_time64, "p01p00"), C(sched_rr_get_interval_time64, "0p"), C(pidfd_send_signal, "f0p0"),
	C(io_uring_setup, "1p"), C(open_tree, "dP0"), C(move_mount, "dPdP0"), C(fsopen, "P0"), C(fsconfig, "f0PP0"),
	C(fspick, "dP0"), C(clone3, "p9"), C(openat2, "dPpn"), C(faccessat2, "dP00"), C(process_madvise, "fp100"),
	C(epoll_pwait2, "ep1pp8"), C(mount_setattr, "dP0pn"), C(landlock_create_ruleset, "pn0"),
	{ 443, "quotactl_fd", "f00p" }, { 449, "futex_waitv", "p10p1" },
};

static char good[4096] __attribute__((aligned(4096)));
static char path[] = "file";
static int file_fd, epoll_fd, socket_fd;

/* The plain gate, so that no library wrapper touches the arguments. */
static long gate(int number, const long *a)
{
	long r;
	struct { long number, last; } pass = { number, a[5] };

	__asm__ volatile(
		"pushl %%ebp\n\tpushl %%ebx\n\t"
		"movl 4(%%eax), %%ebp\n\tmovl (%%eax), %%eax\n\t"
		"movl (%%ecx), %%ebx\n\tmovl 8(%%ecx), %%edx\n\tmovl 12(%%ecx), %%esi\n\t"
		"movl 16(%%ecx), %%edi\n\tmovl 4(%%ecx), %%ecx\n\t"
		"int $0x80\n\t"
		"popl %%ebx\n\tpopl %%ebp"
		: "=a"(r) : "a"(&pass), "c"(a) : "edx", "esi", "edi", "memory");
	return r;
}

static long value_of(char kind)
{
	switch (kind) {
	case 'p': return (long)good;
	case 'P': return (long)path;
	case 'f': return file_fd;
	case 'd': return AT_FDCWD;
	case 'n': return 16;
	case 'm': return -1;
	case 's': return SIGUSR1;
	case 'e': return epoll_fd;
	case 'k': return socket_fd;
	default: return kind - '0';
	}
}

/* The result, as a word. */
static const char *outcome(int number, const long *a)
{
	static char word[32];
	int s;
	pid_t c = fork();

	if (c == 0) {
		struct itimerval t = { .it_value = { 0, 250000 } };
		setitimer(ITIMER_REAL, &t, NULL);
		long r = gate(number, a);
		syscall(SYS_exit_group, r < 0 && r >= -4095 ? (int)-r : 0);
	}
	waitpid(c, &s, 0);
	if (WIFSIGNALED(s))
		return WTERMSIG(s) == SIGALRM ? "waits" : abi_signal(WTERMSIG(s));
	if (WEXITSTATUS(s) == 0)
		return "ok";
	snprintf(word, sizeof(word), "%s", abi_errno(WEXITSTATUS(s)));
	return word;
}

int main(int argc, char **argv)
{
	/* Address 0x20000000 lies in no program's way. */
	static const struct { const char *name; long value; } bad[] = {
		{ "NULL", 0 }, { "unmapped", 0x20000000 }, { "kernel", (long)0xC0100000 } };
	int low = 0, high = 1000;

	if (argc > 1)
		sscanf(argv[1], "%d-%d", &low, &high);
	setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
	abi_file("file", "0123456789abcdefghijklmnopqrstuvwxyz", 0644);
	file_fd = open("file", O_RDWR);
	epoll_fd = (int)syscall(SYS_epoll_create1, 0);
	socket_fd = (int)syscall(SYS_socket, 1, 2, 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i].number < low || calls[i].number > high)
			continue;
		for (int k = 0; calls[i].kinds[k]; k++) {
			char name[64], text[200] = "";
			long a[6] = { 0 };

			if (calls[i].kinds[k] != 'p' && calls[i].kinds[k] != 'P')
				continue;
			for (int j = 0; calls[i].kinds[j]; j++)
				a[j] = value_of(calls[i].kinds[j]);
			for (int b = 0; b < 3; b++) {
				a[k] = bad[b].value;
				snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s %s ",
					 bad[b].name, outcome(calls[i].number, a));
			}
			snprintf(name, sizeof(name), "%d %s argument %d", calls[i].number, calls[i].name, k + 1);
			abi_line(name, "%s", text);
		}
	}
	return 0;
}
