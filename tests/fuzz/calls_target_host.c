/* SPDX-License-Identifier: MIT */
/*
 * The fuzzers' entry for system calls: one input is a sequence of calls, on files of all kinds that are open already: tmpfs, ext2, proc, pipes, sockets,
 * terminals, event files. Looked for: panics, failed assertions, locks in the wrong order, memory errors.
 *
 * Input: 14 bytes a call: number (2, modulo the calls there are), and for each of six arguments a selector and a value. What kind an argument is, the
 * table of system calls says (calls_table); most selectors choose a value of that kind, some anything.
 *
 * No call waits for ever: files are made non-blocking before they are used, waits are given a time (the clock is virtual), and those that have none
 * are left out, as are signals to ourselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <maestro.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "fuzz_host.h"

const bool fuzz_target_ops = true;

enum kind { NONE, FD, DFD, ID, MODE, PID, SIZE, OFFSET, OFLAGS, FLAGS, SMALL, PATH, NAME, TYPE, POINTER, ADDRESS, SOCKADDR, TIME, IOV, MSG, EVENT, POLLFDS, LENGTH };
#define CALL(nr, name, ...) { nr, #name, { __VA_ARGS__ } },
static const struct call {
	uint16_t nr;
	const char *name;
	uint8_t kind[6];
} calls[] = {
#include "fuzz_calls.h"
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))
#define CALLS_MOST 40
#define RECORD 14
#define DISK_SIZE (1u << 20)

/* What pointers point to. Behind it nothing is mapped for more than any call can move. */
#define ARENA_SIZE (256u << 10)
#define ARENA_GUARD (3ULL << 30)
#define OUT_AT 8192u /* room for results; before it what calls read */
#define OUT_SIZE 65536u
#define AT_INPUT 6144u
#define AT_TIMES 512u
#define AT_IOV 1024u
#define AT_SOCKADDR 1280u
#define AT_MSG 1792u
#define AT_CONTROL 2304u
#define AT_POLLFDS 2560u
#define AT_EVENTS 2816u
#define AT_WORDS 3072u
#define AT_SIGEVENT 3584u
#define AT_MQ_ATTR 3840u
#define AT_IOCB_LIST 4096u
#define AT_IOCBS 4352u
#define AT_HOW 4864u

static struct {
	struct maestro *k;
	struct maestro_snapshot *start;
	uint8_t *arena;
	uint8_t templates[OUT_AT];
	uint8_t image[DISK_SIZE];
	int trace;
} f;

/* ---------------------------------------------------------------- arguments */
static const char *const paths[] = {
	"/t/file", "/t/dir", "/t/dir/sub", "/t/link", "/t/fifo", "/t/new", "/t/dir/new", "/t", "/", ".", "..", "/mnt", "/mnt/a", "/mnt/big", "/mnt/dir", "/mnt/dir/a",
	"/mnt/many/n1", "/mnt/new", "/mnt/dir/new", "/mnt/link", "/mnt/fifo", "/dev/null", "/dev/zero", "/dev/full", "/dev/vda", "/dev/ptmx", "/dev/pts/0", "/dev/tty",
	"/dev/shm/x", "/proc/self/fd/3", "/proc/self/fd/5", "/proc/self/maps", "/proc/self/status", "/proc/self/mountinfo", "/proc/self/ns/mnt", "/proc/sys/kernel/hostname",
	"/proc/sys/fs/file-max", "/proc/mounts", "/sys", "/s", "", "new", "a/b/c", "/t/loop", "/proc/self/attr", "/proc/self/oom_score_adj", "/proc/self/exe", "/dev/mqueue/q",
};
static const char *const names[] = { "user.a", "user.b", "trusted.a", "security.capability", "system.posix_acl_access", "system.posix_acl_default", "user.", "x", "/q", "/r", "" };
static const char *const types[] = { "tmpfs", "ext2", "proc", "sysfs", "devpts", "devtmpfs", "mqueue", "ext4", "nothing", "" };
static const uint32_t commands[] = {
	0x5401, 0x5402, 0x5403, 0x5404, 0x540A, 0x540B, 0x540E, 0x540F, 0x5410, 0x5411, 0x5412, 0x5413, 0x5414, 0x541B, 0x5422, 0x5424, 0x5429, 0x5431, 0x5450, 0x5451,
	0x5452, 0x5460, 0x80045430, 0x40045431, 0x80045432, 0x5441, 0x80086601, 0x40086602, 0x80087601, 0x40087602, 0x801c581f, 0x401c5820, 1, 2, 0xc020660b, 0xc0185879,
	0x40049409, 0x4020940d, 0x1260, 0x80041272, 0x1268, 0x127b, 0x1277, 0x1261, 0x125f, 0x4C82, 0x4C00, 0x4C01, 0x4C03, 0x4C05, 0x8905, 0x8906, 0xb701, 0xb702,
	0x4b3a, 0x4b45, 0x5600, 0x5603, 0x5606, 0x40045436, 0x5437, 0x80045438, 1024, 1025, 1026, 1030, 1031, 1032, 1033, 1034, 36, 37, 38,
};
static const uint64_t specials[] = { ~0ULL, ~1ULL, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, 4096, 4095, 4097, 65536, 1 << 20, 512, 1024, 255, 256 };
static const uint64_t sizes[] = { 0, 1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 88, 100, 110, 128, 144, 255, 256, 512, 1000, 4095, 4096, 4097, 8192, 65535, 65536, 70000,
				  0x7fffffff, ~0ULL };
static const uint32_t offsets[] = { AT_INPUT, AT_TIMES, AT_IOV, AT_SOCKADDR, AT_MSG, AT_CONTROL, AT_POLLFDS, AT_EVENTS, AT_WORDS, AT_SIGEVENT, AT_MQ_ATTR, AT_IOCB_LIST,
				    AT_IOCBS, AT_HOW, 0, 256, AT_WORDS + 64, AT_HOW + 64, AT_MQ_ATTR + 64, AT_SIGEVENT + 64 };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define AT(offset) ((unsigned long)(f.arena + (offset)))

static unsigned long pointer(unsigned v)
{
	if (v >= 250)
		return (const unsigned long[]){ 0, 8, ~0UL - 4095, 0x7ffffffff000, AT(ARENA_SIZE - 7), AT(ARENA_SIZE) }[v - 250];
	if (v >= 128)
		return AT(OUT_AT + v % 16 * 4096);
	return AT(offsets[v % COUNT(offsets)]);
}

static unsigned long anything(unsigned how, unsigned v)
{
	switch (how % 6) {
	case 0: return v;
	case 1: return 1UL << v % 64;
	case 2: return specials[v % COUNT(specials)];
	case 3: return commands[v % COUNT(commands)];
	case 4: return -(unsigned long)v;
	default: return pointer(v);
	}
}

static unsigned long argument(enum kind kind, unsigned how, unsigned v)
{
	if (how >= 0xd0)
		return anything(how, v);
	switch (kind) {
	case FD: return v >= 252 ? specials[v % 4] : v % 40;
	case DFD: return v & 1 ? (unsigned long)AT_FDCWD : v / 2 % 40;
	case ID: return (const unsigned long[]){ 0, 1000, ~0UL, v }[v % 4];
	case MODE: return (unsigned long)(v & 1 ? 0755 : 0) | (v & 62) << 11 | (v & 64 ? S_IFREG : v & 128 ? S_IFIFO : 0);
	case PID: return v < 128 ? v % 8 : (unsigned long)(127 - (int)v);
	case SIZE: return sizes[v % COUNT(sizes)];
	case OFFSET: return v & 128 ? specials[v % COUNT(specials)] : (unsigned long)v * 1000;
	case OFLAGS: return (how & 3) | (v & 1 ? O_CREAT : 0u) | (v & 2 ? O_TRUNC : 0u) | (v & 4 ? O_APPEND : 0u) | (v & 8 ? O_DIRECTORY : 0u) | (v & 16 ? O_PATH : 0u) |
			    (v & 32 ? O_EXCL : 0u) | (v & 64 ? O_TMPFILE : 0u) | (v & 128 ? O_NOFOLLOW | O_CLOEXEC : 0u);
	case FLAGS: return how & 1 ? v : how & 2 ? (unsigned long)v << 8 : how & 4 ? 1UL << v % 32 : 0;
	case SMALL: return how & 1 ? v % 16 : how & 2 ? v : how & 4 ? commands[v % COUNT(commands)] : 1UL << v % 32;
	case PATH: return (unsigned long)(v >= 250 ? (const char *)pointer(v) : paths[v % COUNT(paths)]);
	case NAME: return (unsigned long)names[v % COUNT(names)];
	case TYPE: return (unsigned long)types[v % COUNT(types)];
	case TIME: return v >= 224 ? 0 : AT(AT_TIMES + v % 8 * 32);
	case IOV: return AT(AT_IOV + v % 8 * sizeof(struct iovec));
	case MSG: return AT(AT_MSG + v % 4 * 64);
	case EVENT: return AT(AT_EVENTS + v % 8 * 24);
	case POLLFDS: return AT(AT_POLLFDS + v % 16 * 8);
	case SOCKADDR: return v & 128 ? pointer(v) : AT(AT_SOCKADDR + v % 4 * 128);
	case LENGTH: return AT(AT_WORDS + v % 8 * 8);
	case ADDRESS:
	case POINTER: return pointer(v);
	default: return 0;
	}
}

static void make_templates(void)
{
	uint8_t *t = f.templates;
	struct timespec *times = (void *)(t + AT_TIMES);
	struct iovec *iov = (void *)(t + AT_IOV);
	struct msghdr *msg;
	struct cmsghdr *c = (void *)(t + AT_CONTROL);
	uint64_t *words = (void *)(t + AT_WORDS);

	memset(t + 256, 0xff, 256);
	for (unsigned i = 0; i < 16; i++)
		times[i] = (struct timespec){ .tv_sec = i == 14 ? -1 : i % 4 == 3, .tv_nsec = (const long[]){ 0, 1, 1000, 500000000 }[i / 4] };
	for (unsigned i = 0; i < 12; i++)
		iov[i] = (struct iovec){ i == 5 ? NULL : f.arena + OUT_AT + i * 300, (const size_t[]){ 1, 100, 0, 4096, 3, 0, 5000, 16 }[i % 8] };
	for (unsigned i = 0; i < 3; i++) {
		struct sockaddr_un *un = (void *)(t + AT_SOCKADDR + i * 128);

		un->sun_family = AF_UNIX;
		strcpy(un->sun_path + (i == 1), i == 2 ? "" : i ? "abstract" : "/s");
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(12);
	memcpy(CMSG_DATA(c), (const int[]){ 3, 9, 11 }, 12);
	for (unsigned i = 0; i < 4; i++) {
		msg = (void *)(t + AT_MSG + i * 64);
		*msg = (struct msghdr){ .msg_iov = (void *)(f.arena + AT_IOV), .msg_iovlen = 1 + i };
		if (i & 1) {
			msg->msg_control = f.arena + AT_CONTROL;
			msg->msg_controllen = CMSG_SPACE(12);
		}
		if (i & 2) {
			msg->msg_name = f.arena + AT_SOCKADDR + 128;
			msg->msg_namelen = 11;
		}
	}
	for (unsigned i = 0; i < 32; i++)
		((struct pollfd *)(void *)(t + AT_POLLFDS))[i] = (struct pollfd){ .fd = (int)i, .events = POLLIN | POLLOUT };
	for (unsigned i = 0; i < 20; i++)
		((struct epoll_event *)(void *)(t + AT_EVENTS))[i] = (struct epoll_event){ .events = EPOLLIN | (i & 1 ? EPOLLET : 0u) | (i & 2 ? EPOLLONESHOT : 0u) | (i & 4 ? EPOLLOUT : 0u) };
	for (unsigned i = 0; i < 64; i++)
		words[i] = i < 32 ? (const uint64_t[]){ 128, 2, 0, 1, 8, 100, 16, 64 }[i % 8] : specials[i % COUNT(specials)];
	for (unsigned i = 0; i < 4; i++)
		((struct sigevent *)(void *)(t + AT_SIGEVENT))[i] = (struct sigevent){ .sigev_notify = (int)i, .sigev_signo = 10 };
	memcpy(t + AT_MQ_ATTR, (const long[]){ O_NONBLOCK, 4, 64, 0 }, 32);
	memcpy(t + AT_MQ_ATTR + 64, (const long[]){ 0, 1000, 8192, 0 }, 32);
	for (unsigned i = 0; i < 8; i++) {
		const void *at = f.arena + AT_IOCBS + i * 64;

		memcpy(t + AT_IOCB_LIST + i * 8, &at, 8);
		((struct iocb *)(void *)(t + AT_IOCBS))[i] = (struct iocb){ .aio_lio_opcode = (uint16_t)i, .aio_fildes = 3 + i, .aio_buf = AT(OUT_AT), .aio_nbytes = 100, .aio_offset = i * 512 };
	}
	memcpy(t + AT_HOW, (const uint64_t[]){ O_NONBLOCK | O_CREAT | O_RDWR, 0644, 0 }, 24);
	memcpy(t + AT_HOW + 64, (const uint64_t[]){ O_NONBLOCK, 0, 0x14 }, 24);
}

/* ---------------------------------------------------------------- calls that would never end */
static bool is_wait_without_time(long nr)
{
	static const uint16_t left_out[] = { SYS_pause, SYS_rt_sigsuspend, SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_pidfd_send_signal,
					     SYS_reboot, SYS_creat, SYS_acct, SYS_io_uring_enter }; /* creat, acct: of a FIFO */

	for (unsigned i = 0; i < COUNT(left_out); i++)
		if (nr == left_out[i])
			return true;
	return false;
}

/* A time that is given, whatever was drawn, and is short, whatever a call wrote there. */
static void set_time(unsigned long *a)
{
	memcpy(f.arena + AT_TIMES, f.templates + AT_TIMES, AT_IOV - AT_TIMES);
	*a = AT(AT_TIMES + (*a >> 5) % 6 * 32);
}

static void tame_waits(long nr, unsigned long *a)
{
	switch (nr) {
	case SYS_poll: a[2] %= 50; break;
	case SYS_epoll_wait:
	case SYS_epoll_pwait: a[3] %= 50; break;
	case SYS_epoll_pwait2: set_time(&a[3]); break;
	case SYS_select:
	case SYS_pselect6:
	case SYS_io_getevents:
	case SYS_io_pgetevents:
	case SYS_mq_timedsend:
	case SYS_mq_timedreceive:
	case SYS_recvmmsg: set_time(&a[4]); break;
	case SYS_ppoll:
	case SYS_rt_sigtimedwait: set_time(&a[2]); break;
	case SYS_futex:
	case SYS_futex_waitv:
	case SYS_semtimedop: set_time(&a[3]); break;
	case SYS_nanosleep: set_time(&a[0]); break;
	case SYS_clock_nanosleep: set_time(&a[2]); break;
	case SYS_wait4: a[2] |= WNOHANG; break;
	case SYS_waitid: a[3] |= WNOHANG; break;
	case SYS_msgsnd: a[3] |= IPC_NOWAIT; break;
	case SYS_msgrcv: a[4] |= IPC_NOWAIT; break;
	default: break;
	}
}

static long tame(long nr, unsigned long *a)
{
	tame_waits(nr, a);
	switch (nr) {
	case SYS_semop:
		a[3] = AT(AT_TIMES + 32);
		return SYS_semtimedop;
	case SYS_open:
	case SYS_mq_open: a[1] |= O_NONBLOCK; break;
	case SYS_openat: a[2] |= O_NONBLOCK; break;
	case SYS_openat2: a[2] = AT(AT_HOW + a[2] % 2 * 64); break;
	case SYS_flock: a[1] |= LOCK_NB; break;
	case SYS_syslog: a[0] = a[0] == 2 ? 3 : a[0]; break;
	case SYS_fcntl:
		if (a[1] == F_SETLKW || a[1] == F_OFD_SETLKW)
			a[1]--;
		if (a[1] == F_SETFL)
			a[2] |= O_NONBLOCK;
		break;
	case SYS_ioctl: a[1] = (uint32_t)a[1] == FIONBIO ? FIONREAD : a[1]; break;
	case SYS_sendfile: a[3] %= 1 << 17; break;
	case SYS_splice:
	case SYS_copy_file_range:
		a[4] %= 1 << 17;
		a[5] |= nr == SYS_splice ? 2 : 0; /* SPLICE_F_NONBLOCK */
		break;
	case SYS_tee:
	case SYS_vmsplice: a[3] |= 2; break;
	default: break;
	}
	return nr;
}

static void one_call(const uint8_t *d)
{
	const struct call *c = &calls[(d[0] | d[1] << 8) % CALLS];
	unsigned long a[6];
	long nr = c->nr, r;

	if (is_wait_without_time(nr))
		return;
	for (unsigned i = 0; i < 6; i++) {
		a[i] = argument(c->kind[i], d[2 + 2 * i], d[3 + 2 * i]);
		if (c->kind[i] == FD || c->kind[i] == DFD) {
			long flags = maestro_syscall(f.k, SYS_fcntl, a[i], F_GETFL);

			if (flags >= 0 && !(flags & (O_NONBLOCK | O_PATH)))
				(void)maestro_syscall(f.k, SYS_fcntl, a[i], F_SETFL, flags | O_NONBLOCK);
		}
	}
	nr = tame(nr, a);
	if (f.trace)
		fprintf(stderr, "%s(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx)", c->name, a[0], a[1], a[2], a[3], a[4], a[5]);
	r = maestro_syscall6(f.k, nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (f.trace)
		fprintf(stderr, " = %ld\n", r);
}

/* ---------------------------------------------------------------- the world */
static int disk_read(void *arg, void *buf, uint64_t offset, size_t len)
{
	(void)arg;
	memcpy(buf, f.image + offset, len);
	return 0;
}
static int disk_write(void *arg, const void *buf, uint64_t offset, size_t len)
{
	(void)arg;
	memcpy(f.image + offset, buf, len);
	return 0;
}
static const struct maestro_disk_ops disk_ops = { .read = disk_read, .write = disk_write };

static void log_line(void *arg, const char *text, size_t len)
{
	(void)arg;
	fwrite(text, 1, len, stderr);
}

static long must(long r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "fuzz: %s: %s\n", what, strerror((int)-r));
		exit(2);
	}
	return r;
}
#define MUST(x) must(x, #x)

static void load_image(void)
{
	const char *folder = getenv("FUZZ_BASES");
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/1.img", folder ? folder : "build/fuzz/bases");
	file = fopen(path, "rb");
	if (!file || fread(f.image, 1, DISK_SIZE, file) != DISK_SIZE) {
		fprintf(stderr, "fuzz: no image: make build/fuzz/bases\n");
		exit(2);
	}
	fclose(file);
}

static void make_tree(void)
{
	static const char *const dirs[] = { "/t", "/t/dir", "/t/dir/sub", "/mnt", "/proc", "/sys", "/dev/pts", "/dev/shm", "/dev/mqueue" };

	for (unsigned i = 0; i < COUNT(dirs); i++)
		if (maestro_access(f.k, dirs[i], F_OK))
			MUST(maestro_mkdir(f.k, dirs[i], 0755));
	MUST(maestro_mount(f.k, "/dev/vda", "/mnt", "ext2", 0, "errors=continue"));
	MUST(maestro_mount(f.k, "proc", "/proc", "proc", 0, NULL));
	MUST(maestro_mount(f.k, "sysfs", "/sys", "sysfs", 0, NULL));
	MUST(maestro_mount(f.k, "devpts", "/dev/pts", "devpts", 0, NULL));
	MUST(maestro_mount(f.k, "mqueue", "/dev/mqueue", "mqueue", 0, NULL));
	MUST(maestro_symlink(f.k, "file", "/t/link"));
	MUST(maestro_symlink(f.k, "loop", "/t/loop"));
	MUST(maestro_mknod(f.k, "/t/fifo", S_IFIFO | 0644, 0));
}

/* The files that are open at the beginning of each input: 0 and so on, in this order. */
static void open_files(void)
{
	static const char *const opened[] = { "/dev/null", "/t/file", "/t/dir", "/mnt/a", "/mnt/dir", "/proc/self/status", "/dev/zero" };
	int fds[2];

	for (unsigned i = 0; i < COUNT(opened); i++)
		MUST(maestro_open(f.k, opened[i], i == 1 ? O_RDWR | O_CREAT : i == 2 || i == 4 || i == 5 ? O_RDONLY : O_RDWR, 0644));
	MUST(maestro_pipe2(f.k, fds, O_NONBLOCK));
	MUST(maestro_syscall(f.k, SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
	MUST(maestro_syscall(f.k, SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds));
	MUST(maestro_syscall(f.k, SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0));
	MUST(maestro_syscall(f.k, SYS_eventfd2, 0, O_NONBLOCK));
	MUST(maestro_syscall(f.k, SYS_timerfd_create, CLOCK_MONOTONIC, O_NONBLOCK));
	MUST(maestro_syscall(f.k, SYS_epoll_create1, 0));
	MUST(maestro_syscall(f.k, SYS_inotify_init1, O_NONBLOCK));
	MUST(maestro_syscall(f.k, SYS_memfd_create, "m", 2));
	MUST(maestro_open(f.k, "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
}

/* At the first input, so that the library's signal handlers come after the fuzzer's, and pass on what is not theirs. */
static void start(void)
{
	struct maestro_options o = { .size = sizeof(o), .memory = 32 << 20, .virtual_clock = true, .seed = 1, .log_level = 8,
				     .log = getenv("FUZZ_VERBOSE") ? log_line : NULL };
	char name[MAESTRO_DISK_NAME];

	f.trace = getenv("FUZZ_VERBOSE") != NULL;
	f.arena = mmap(NULL, ARENA_SIZE + ARENA_GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f.arena == MAP_FAILED || mprotect(f.arena, ARENA_SIZE, PROT_READ | PROT_WRITE)) {
		perror("fuzz: mmap");
		exit(2);
	}
	make_templates();
	load_image();
	MUST(maestro_create(&o, &f.k));
	MUST(maestro_disk_add_ops(f.k, &disk_ops, NULL, DISK_SIZE / 512, MAESTRO_DISK_NO_PARTITIONS, name));
	make_tree();
	open_files();
	MUST(maestro_snapshot(f.k, &f.start));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size < OUT_AT - AT_INPUT ? size : OUT_AT - AT_INPUT;

	if (!f.k)
		start();
	MUST(maestro_restore(f.k, f.start));
	memcpy(f.arena, f.templates, OUT_AT);
	memset(f.arena + OUT_AT, 0, OUT_SIZE);
	memcpy(f.arena + AT_INPUT, data, n);
	for (unsigned i = 0; i < CALLS_MOST && size >= RECORD; i++, data += RECORD, size -= RECORD)
		one_call(data);
	(void)maestro_syscall(f.k, SYS_close_range, 0, ~0u, 0);
	maestro_pump(f.k, 1000000000);
	maestro_sync(f.k);
	maestro_drop_caches(f.k);
	return 0;
}
