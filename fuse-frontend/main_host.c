/* SPDX-License-Identifier: MIT */
/*
 * maestro-fuse IMAGE MOUNTPOINT: mounts an ext2 image through a kernel of our own, without root.
 *
 * Two processes. The keeper mounts (by itself as root, else through fusermount3), logs, and unmounts when it is told to end. The server has the image and the
 * kernel: it opens the image, confines itself, then mounts the file system, tells whether that went well, gets the FUSE device from the keeper, and serves.
 * When the keeper dies the server ends too, in order; when the server dies the keeper takes the mount away.
 */
#include "fs_host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

#define DEFAULT_MEMORY 256u
#define BUSY_MS 5000 /* how long files may keep a mount that is to end */

extern char **environ;

struct report { /* the server's, when the file system is mounted or not */
	int err;
	bool read_only;
};
struct keeper {
	const struct settings *s;
	pid_t server;
	int control, log; /* to the server; its standard error */
	FILE *log_file;	  /* log=, or NULL */
	int ready;	  /* tells the process that waits for us in the foreground; -1: none */
	bool mounted, background;
};

/* ---------------------------------------------------------------- logging */
static void log_text(const struct keeper *kp, const char *text, int n)
{
	if (kp->log_file) {
		fprintf(kp->log_file, "%.*s", n, text);
		fflush(kp->log_file);
	} else if (kp->background) {
		syslog(LOG_WARNING, "%.*s", n, text);
	}
	if (!kp->mounted || (!kp->log_file && !kp->background))
		fprintf(stderr, "%.*s", n, text);
}

/* What the server said; false when it is gone. */
static bool pass_log(const struct keeper *kp)
{
	char text[1024];
	ssize_t n = read(kp->log, text, sizeof(text));

	if (n > 0)
		log_text(kp, text, (int)n);
	return n > 0 || (n < 0 && errno == EINTR);
}

static void kernel_says(void *arg, const char *text, size_t len)
{
	(void)arg;
	fprintf(stderr, "maestro-fuse: %.*s", (int)len, text);
}

/* ---------------------------------------------------------------- the server */
static int mount_image(struct front *f, const struct settings *s, const char *disk)
{
	const char *type = s->type ? s->type : "ext2";
	char dev[32];
	int err;

	if (s->part)
		snprintf(dev, sizeof(dev), "/dev/%s%u", disk, s->part);
	else
		snprintf(dev, sizeof(dev), "/dev/%s", disk);
	err = maestro_mkdir(f->k, "/mnt", 0755);
	if (err)
		return err;
	f->read_only = s->read_only;
	err = maestro_mount(f->k, dev, "/mnt", type, f->read_only ? MS_RDONLY : 0, s->data);
	if ((err == -EROFS || err == -EACCES) && !s->read_write && !f->read_only) {
		/* The image may only be read. */
		f->read_only = true;
		err = maestro_mount(f->k, dev, "/mnt", type, MS_RDONLY, s->data);
	}
	if (err)
		return err;
	maestro_umask(f->k, 0); /* modes come masked by the caller's own */
	return maestro_node_root(f->k, "/mnt", &f->root);
}

static void tell_image(const struct settings *s, int err)
{
	const char *type = s->type ? s->type : "ext2";

	if (err == -EBUSY)
		fprintf(stderr, "maestro-fuse: %s is in use: another process has it locked\n", s->image);
	else if (err == -EINVAL)
		fprintf(stderr, "maestro-fuse: %s: no %s file system there, or one with features or options that are not supported (offset=, part=)\n", s->image, type);
	else if ((err == -ENOENT || err == -ENXIO || err == -ENODEV) && s->part)
		fprintf(stderr, "maestro-fuse: %s has no partition %u\n", s->image, s->part);
	else
		fprintf(stderr, "maestro-fuse: %s: %s\n", s->image, strerror(-err));
}

static int start_kernel(struct front *f, const struct settings *s, char disk[MAESTRO_DISK_NAME])
{
	struct maestro_options o = {
		.size = sizeof(o),
		.log = kernel_says,
		.log_level = 5,
		.memory = (uint64_t)s->memory << 20,
		.threads = s->vcpus,
		.huge_pages = true,
	};
	int err = maestro_create(&o, &f->k);

	if (err) {
		fprintf(stderr, "maestro-fuse: cannot start the kernel: %s (memory=%u)\n", strerror(-err), s->memory);
		return err;
	}
	err = settings_open_disk(s, f, disk);
	if (err)
		tell_image(s, err);
	return err;
}

static int receive_fd(int control)
{
	char byte;
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} u;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = sizeof(u)};
	struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(control, &m, MSG_CMSG_CLOEXEC) <= 0)
		return -1; /* the keeper could not mount, and said so */
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* Until the file system is mounted; what went wrong is told. 0 or -errno. */
static int prepare(struct front *f, const struct settings *s)
{
	char disk[MAESTRO_DISK_NAME];
	int err = start_kernel(f, s, disk);

	if (err)
		return err;
	err = confine(f);
	if (err) {
		fprintf(stderr, "maestro-fuse: the server cannot be confined: %s\n", strerror(-err));
		return err;
	}
	err = mount_image(f, s, disk);
	if (err)
		tell_image(s, err);
	return err;
}

static int run_server(struct front *f, const struct settings *s, struct fuse_args *args, int control)
{
	struct fuse_session *se = fuse_session_new(args, &front_ops, sizeof(front_ops), f);
	struct report r = {.err = se ? prepare(f, s) : -EINVAL};
	int fd;

	r.read_only = f->read_only;
	if (write(control, &r, sizeof(r)) != sizeof(r) || r.err)
		return 1;
	fd = receive_fd(control);
	if (fd < 0)
		return maestro_destroy(f->k) ? 1 : 0;
	return wire_attach(f, se, fd) ? 1 : serve(f, se, control);
}

static int fork_server(struct keeper *kp, struct front *f, struct fuse_args *args)
{
	int control[2], log[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) || pipe2(log, O_CLOEXEC))
		return -errno;
	kp->server = fork();
	if (kp->server < 0)
		return -errno;
	if (!kp->server) {
		close(control[0]);
		close(log[0]);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (dup2(log[1], STDERR_FILENO) < 0)
			_exit(1);
		setvbuf(stderr, NULL, _IOLBF, 1024);
		_exit(run_server(f, kp->s, args, control[1]));
	}
	close(control[1]);
	close(log[1]);
	kp->control = control[0];
	kp->log = log[0];
	return 0;
}

/* ---------------------------------------------------------------- the keeper */
static int send_fd(int control, int fd)
{
	char byte = 0;
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} u = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = sizeof(u)};

	memcpy(CMSG_DATA(&u.head), &fd, sizeof(fd));
	return sendmsg(control, &m, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int fuse_mount(const struct keeper *kp, struct fuse_args *args, bool read_only)
{
	struct fuse_session *se;
	int err = read_only ? fuse_opt_add_arg(args, "-oro") : 0;

	se = err ? NULL : fuse_session_new(args, &front_ops, sizeof(front_ops), NULL);
	if (!se)
		return -EINVAL;
	err = fuse_session_mount(se, kp->s->mountpoint) ? -EIO : 0; /* which it has explained */
	if (!err) {
		err = send_fd(kp->control, fuse_session_fd(se));
		close(fuse_session_fd(se)); /* the server's alone: the mount lives as long as it */
	}
	return err; /* se stays: to end it would unmount */
}

/* Takes the mount away from the tree of names; users of its files may go on. */
static void unmount(const char *mountpoint)
{
	const char *argv[] = {"fusermount3", "-u", "-q", "-z", "--", mountpoint, NULL};
	pid_t pid;

	if (!umount2(mountpoint, MNT_DETACH) || errno != EPERM)
		return;
	if (!posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ))
		(void)waitpid(pid, NULL, 0);
}

/* The host's kernel reads 128 KiB ahead in a FUSE mount, a fraction of what one request carries. Only root may ask for more. */
static void read_ahead_more(const char *mountpoint)
{
	char path[64];
	struct stat st;
	int fd;

	if (getuid() != 0 || stat(mountpoint, &st))
		return;
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev), minor(st.st_dev));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "1024", 4);
	close(fd);
}

/* What the host's kernel still has to write goes to the server, then the mount goes. */
static void end_mount(const struct keeper *kp)
{
	int fd = open(kp->s->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		(void)syncfs(fd);
		close(fd);
	}
	unmount(kp->s->mountpoint);
}

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* Until the server has ended: passes its words on, and ends it when told to. */
static void keep(const struct keeper *kp, int signals)
{
	struct pollfd p[] = {{.fd = kp->log, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	struct timespec asked;
	bool ending = false;

	for (;;) {
		int n = poll(p, 2, ending ? 100 : -1);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0 && (p[0].revents & (POLLIN | POLLHUP)) && !pass_log(kp))
			return;
		if (n > 0 && (p[1].revents & POLLIN) && !ending) {
			end_mount(kp);
			ending = true;
			p[1].fd = -1;
			clock_gettime(CLOCK_MONOTONIC, &asked);
		}
		if (ending && elapsed_ms(&asked) > BUSY_MS) {
			(void)kill(kp->server, SIGTERM); /* files are still open: their users get ENOTCONN */
			clock_gettime(CLOCK_MONOTONIC, &asked);
		}
	}
}

static int signal_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return sigprocmask(SIG_BLOCK, &set, NULL) ? -1 : signalfd(-1, &set, SFD_CLOEXEC);
}

static int end_server(const struct keeper *kp)
{
	struct statvfs st;
	int status;

	if (waitpid(kp->server, &status, 0) != kp->server)
		return 1;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_text(kp, "maestro-fuse: the server died; the image may be damaged (e2fsck -f)\n", 68);
	if (statvfs(kp->s->mountpoint, &st) && errno == ENOTCONN) /* stat(2) might be answered from a cache */
		unmount(kp->s->mountpoint);
	return 1;
}

/* The rest of us is in the background. */
static void detach(struct keeper *kp)
{
	int null = open("/dev/null", O_RDWR);
	char ok = 0;

	if (kp->ready < 0)
		return;
	(void)!write(kp->ready, &ok, 1);
	close(kp->ready);
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(null, fd);
	close(null);
	kp->background = true;
	openlog("maestro-fuse", LOG_PID, LOG_DAEMON);
}

static int run_keeper(struct keeper *kp, struct front *f, struct fuse_args *args)
{
	struct report r = {.err = -EIO};
	int signals = signal_fd(), err;

	if (signals < 0 || fork_server(kp, f, args)) {
		perror("maestro-fuse");
		return 1;
	}
	if (recv(kp->control, &r, sizeof(r), 0) != sizeof(r) || r.err) {
		while (pass_log(kp))
			;
		(void)end_server(kp);
		return 1;
	}
	err = fuse_mount(kp, args, r.read_only);
	if (err) {
		close(kp->control); /* the server ends */
		(void)end_server(kp);
		return 1;
	}
	kp->mounted = true;
	read_ahead_more(kp->s->mountpoint);
	detach(kp);
	keep(kp, signals);
	return end_server(kp);
}

/* Forks; here we wait until the other is mounted. Returns in the child only. */
static int go_background(void)
{
	int ends[2], status;
	char ok;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		close(ends[0]);
		(void)setsid();
		(void)!chdir("/");
		return ends[1];
	}
	close(ends[1]);
	if (pid > 0 && read(ends[0], &ok, 1) == 1)
		_exit(0);
	_exit(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct settings s = {.memory = DEFAULT_MEMORY, .threads = 1, .vcpus = 1, .uid = -1, .gid = -1};
	struct keeper kp = {.s = &s, .ready = -1};
	struct front f = {.timeout = 3600.0};
	int code = settings_parse(&s, &args);

	if (code >= 0)
		return code;
	f.uid = s.uid;
	f.gid = s.gid;
	f.fakeroot = s.fakeroot;
	f.no_xattr = s.no_xattr;
	f.writeback = s.writeback;
	f.threads = s.debug ? 1 : s.threads;
	if (s.log) {
		kp.log_file = fopen(s.log, "ae");
		if (!kp.log_file) {
			fprintf(stderr, "maestro-fuse: %s: %s\n", s.log, strerror(errno));
			return 1;
		}
	}
	if (!s.foreground && !s.debug)
		kp.ready = go_background();
	return run_keeper(&kp, &f, &args);
}
