// SPDX-License-Identifier: MIT
/* dup, dup2, dup3, fcntl, locks, close_range. */
#include "../abi.h"
#include <sys/file.h>

static char buf_unused[64];

int main(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644), d, p[2];

	CALL("dup", d = dup(fd));
	write(fd, "abc", 3);
	CALL("shared offset", lseek(d, 0, SEEK_CUR));
	CALL("dup bad", dup(99));
	CALL("dup2 high", dup2(fd, 20));
	CALL("dup2 same", dup2(fd, fd));
	CALL("dup2 same bad", dup2(99, 99));
	CALL("dup2 bad", dup2(99, 5));
	CALL("dup2 negative", dup2(fd, -1));
	CALL("dup2 over", dup2(fd, d));
	CALL("dup3 same", dup3(fd, fd, 0));
	CALL("dup3 cloexec", dup3(fd, 21, O_CLOEXEC));
	CALL("dup3 flag", fcntl(21, F_GETFD));
	CALL("dup3 bad flag", dup3(fd, 22, O_APPEND));
	CALL("F_DUPFD", fcntl(fd, F_DUPFD, 10));
	CALL("F_DUPFD again", fcntl(fd, F_DUPFD, 10));
	CALL("F_DUPFD negative", fcntl(fd, F_DUPFD, -1));
	CALL("F_DUPFD huge", fcntl(fd, F_DUPFD, 1 << 30));
	CALL("F_DUPFD_CLOEXEC", d = fcntl(fd, F_DUPFD_CLOEXEC, 0));
	CALL("its flag", fcntl(d, F_GETFD));
	CALL("SETFD", fcntl(d, F_SETFD, 0));
	CALL("its flag 2", fcntl(d, F_GETFD));
	CALL("SETFL append", fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	CALL("GETFL", fcntl(fd, F_GETFL));
	CALL("GETFL of dup", fcntl(d, F_GETFL));
	CALL("SETFL access ignored", fcntl(fd, F_SETFL, O_WRONLY));
	CALL("GETFL after", fcntl(fd, F_GETFL));
	CALL("fcntl bad fd", fcntl(99, F_GETFL));
	CALL("fcntl bad cmd", fcntl(fd, 9999));
	CALL("GETOWN", fcntl(fd, F_GETOWN));
	CALL("GETSIG", fcntl(fd, F_GETSIG));
	pipe(p);
	CALL("pipe size", fcntl(p[0], F_GETPIPE_SZ));
	CALL("pipe set size", fcntl(p[0], F_SETPIPE_SZ, 8192));
	CALL("file pipe size", fcntl(fd, F_GETPIPE_SZ));
	/* POSIX locks: seen by another process, gone with it. */
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5 };
	CALL("setlk", fcntl(fd, F_SETLK, &l));
	CHILD("other process sees",
		struct flock q = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
		CALL("getlk", fcntl(fd, F_GETLK, &q));
		NUM("getlk type", q.l_type);
		NUM("getlk start", q.l_start);
		NUM("getlk len", q.l_len);
		YES("getlk pid", q.l_pid == getppid());
		q.l_type = F_WRLCK; q.l_start = 14; q.l_len = 1;
		CALL("setlk conflict", fcntl(fd, F_SETLK, &q));
		q.l_start = 15; 
		CALL("setlk beside", fcntl(fd, F_SETLK, &q));
	);
	l.l_type = F_UNLCK; l.l_start = 11; l.l_len = 1;
	CALL("unlock middle", fcntl(fd, F_SETLK, &l));
	CHILD("other process sees split",
		struct flock q = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 11 };
		fcntl(fd, F_GETLK, &q);
		NUM("split start", q.l_start);
		NUM("split len", q.l_len);
	);
	close(dup(fd));
	CHILD("closing a dup drops",
		struct flock q = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		fcntl(fd, F_GETLK, &q);
		NUM("type after", q.l_type);
	);
	l.l_type = 77;
	CALL("setlk bad type", fcntl(fd, F_SETLK, &l));
	int ro = open("f", O_RDONLY);
	l.l_type = F_WRLCK;
	CALL("write lock on ro", fcntl(ro, F_SETLK, &l));
	CALL("getlk pipe", fcntl(p[0], F_GETLK, &l));
	int other = open("f", O_RDWR);
	CALL("flock ex", flock(fd, LOCK_EX));
	CALL("flock other", flock(other, LOCK_EX | LOCK_NB));
	CALL("flock sh other", flock(other, LOCK_SH | LOCK_NB));
	CALL("flock downgrade", flock(fd, LOCK_SH));
	CALL("flock sh now", flock(other, LOCK_SH | LOCK_NB));
	CALL("flock un", flock(fd, LOCK_UN));
	CALL("flock bad", flock(fd, 77));
	CALL("flock bad fd", flock(99, LOCK_SH));
	CALL("close_range", close_range(20, 21, 0));
	CALL("closed", fcntl(20, F_GETFD));
	CALL("close_range bad", close_range(5, 4, 0));
	CALL("close_range cloexec", close_range(fd, fd, CLOSE_RANGE_CLOEXEC));
	CALL("cloexec set", fcntl(fd, F_GETFD));
	int on = 1;
	CALL("FIONBIO", ioctl(p[0], FIONBIO, &on));
	CALL("nonblocking", fcntl(p[0], F_GETFL));
	CALL("FIOCLEX", ioctl(p[0], FIOCLEX));
	CALL("clex", fcntl(p[0], F_GETFD));
	write(p[1], "xyz", 3);
	CALL("FIONREAD pipe", ioctl(p[0], FIONREAD, &on));
	NUM("FIONREAD value", on);
	lseek(fd, 1, SEEK_SET);
	CALL("FIONREAD file", ioctl(fd, FIONREAD, &on));
	NUM("FIONREAD file value", on);
	CALL("ioctl not tty", ioctl(fd, TCGETS, buf_unused));
	CALL("ioctl bad fd", ioctl(99, TCGETS, buf_unused));
	return 0;
}
