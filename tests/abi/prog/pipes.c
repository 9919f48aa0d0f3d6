// SPDX-License-Identifier: MIT
/* Pipes and FIFOs: ends, SIGPIPE, non-blocking, atomic writes, splice family. */
#include "../abi.h"
#include <sys/socket.h>

static volatile sig_atomic_t pipes_seen;

static void on_pipe(int s)
{
	(void)s;
	pipes_seen++;
}

/* A splice that waits for room in a socket goes before who reads the pipe meanwhile. */
static void splice_goes_first(void)
{
	enum { ALL = 15000, SPLICED = 10000 };
	static unsigned words[ALL];
	int p[2], s[2], small = 4096, status;
	unsigned got, bad = 0, at = 0;

	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (unsigned i = 0; i < ALL; i++)
		words[i] = i;
	CALL("fill", write(p[1], words, sizeof(words)));
	if (fork() == 0)
		_exit(splice(p[0], NULL, s[0], NULL, SPLICED * sizeof(*words), 0) == SPLICED * sizeof(*words) ? 0 : 1);
	usleep(200000);
	if (fork() == 0)
		_exit(read(p[0], &got, sizeof(got)) == sizeof(got) && got == SPLICED ? 0 : 1);
	usleep(200000);
	for (; at < SPLICED && read(s[1], &got, sizeof(got)) == sizeof(got); at++)
		bad += got != at;
	NUM("spliced words", at);
	NUM("out of order", bad);
	for (int i = 0; i < 2; i++) {
		wait(&status);
		HEX("status", status);
	}
}

int main(void)
{
	static char big[70000];
	char buf[5000];
	struct stat st;
	int p[2], n;

	CALL("pipe", pipe(p));
	abi_line("numbers", "%d %d", p[0], p[1]);
	CALL("pipe efault", syscall(SYS_pipe, 8));
	CALL("pipe2 bad flag", pipe2(p, 0x40));
	fstat(p[0], &st);
	HEX("mode", st.st_mode);
	NUM("size", st.st_size);
	CALL("getfl read", fcntl(p[0], F_GETFL));
	CALL("getfl write", fcntl(p[1], F_GETFL));
	CALL("write", write(p[1], "hello", 5));
	CALL("read part", n = read(p[0], buf, 3));
	BYTES("part", buf, n);
	CALL("write more", write(p[1], "world", 5));
	CALL("read all", n = read(p[0], buf, 100));
	BYTES("all", buf, n);
	CALL("read on write end", read(p[1], buf, 1));
	CALL("write on read end", write(p[0], buf, 1));
	CALL("read 0", read(p[0], buf, 0));
	CALL("write 0", write(p[1], buf, 0));
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	CALL("empty nonblock", read(p[0], buf, 1));
	CALL("fill", write(p[1], big, sizeof(big)));
	CALL("full nonblock", write(p[1], big, 1));
	CALL("drain page", read(p[0], buf, 4096));
	CALL("atomic fits", write(p[1], big, 4096));
	CALL("full again", write(p[1], big, 4096));
	CALL("drain less", read(p[0], buf, 4095));
	CALL("atomic does not fit", write(p[1], big, 4096));
	close(p[1]);
	for (n = 0; (st.st_size = read(p[0], big, sizeof(big))) > 0;)
		n += st.st_size;
	NUM("rest", n);
	CALL("eof", read(p[0], buf, 1));
	CALL("eof again", read(p[0], buf, 1));
	close(p[0]);
	pipe(p);
	close(p[0]);
	signal(SIGPIPE, on_pipe);
	CALL("epipe", write(p[1], "x", 1));
	NUM("sigpipe seen", pipes_seen);
	signal(SIGPIPE, SIG_IGN);
	CALL("epipe ignored", write(p[1], "x", 1));
	CALL("epipe of 0", write(p[1], "x", 0));
	CHILD("sigpipe kills", signal(SIGPIPE, SIG_DFL); write(p[1], "x", 1));
	close(p[1]);
	CALL("pipe2", pipe2(p, O_NONBLOCK | O_CLOEXEC));
	CALL("pipe2 getfl", fcntl(p[0], F_GETFL));
	CALL("pipe2 getfd", fcntl(p[1], F_GETFD));
	close(p[0]);
	close(p[1]);
	/* Blocking: a writer of more than the pipe holds. */
	CHILD("writer and reader",
		pipe(p);
		pid_t c = fork();
		if (c == 0) {
			close(p[0]);
			memset(big, 'q', sizeof(big));
			n = (int)write(p[1], big, sizeof(big));
			_exit(n == sizeof(big) ? 7 : 8);
		}
		close(p[1]);
		int total = 0;
		while ((n = (int)read(p[0], buf, 1000)) > 0)
			total += n;
		NUM("total read", total);
		int s;
		waitpid(c, &s, 0);
		abi_status("writer", s));
	/* FIFO */
	CALL("mkfifo", mkfifo("f", 0644));
	CALL("mkfifo exists", mkfifo("f", 0644));
	CALL("wo nonblock no reader", open("f", O_WRONLY | O_NONBLOCK));
	int r, w;
	CALL("ro nonblock", r = open("f", O_RDONLY | O_NONBLOCK));
	CALL("read no writer", read(r, buf, 1));
	CALL("wo nonblock", w = open("f", O_WRONLY | O_NONBLOCK));
	CALL("read writer empty", read(r, buf, 1));
	CALL("fifo write", write(w, "abc", 3));
	CALL("fifo read", read(r, buf, 10));
	close(w);
	CALL("writer gone", read(r, buf, 1));
	close(r);
	CALL("fifo rdwr", r = open("f", O_RDWR | O_NONBLOCK));
	CALL("rdwr write", write(r, "z", 1));
	CALL("rdwr read", read(r, buf, 10));
	close(r);
	CHILD("fifo rendezvous",
		pid_t c = fork();
		if (c == 0) {
			w = open("f", O_WRONLY);
			write(w, "meet", 4);
			_exit(0);
		}
		r = open("f", O_RDONLY);
		n = (int)read(r, buf, 10);
		BYTES("met", buf, n);
		NUM("then eof", read(r, buf, 10));
		waitpid(c, NULL, 0));
	lstat("f", &st);
	HEX("fifo mode", st.st_mode);
	/* splice, tee, vmsplice */
	int q[2], fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0644);
	write(fd, "0123456789", 10);
	pipe(p);
	pipe(q);
	loff_t off = 2;
	CALL("splice in", splice(fd, &off, p[1], NULL, 5, 0));
	NUM("splice offset", off);
	CALL("tee", tee(p[0], q[1], 3, 0));
	CALL("tee read", n = read(q[0], buf, 10));
	BYTES("tee bytes", buf, n);
	off = 20;
	CALL("splice out", splice(p[0], NULL, fd, &off, 5, 0));
	CALL("splice file file", splice(fd, NULL, fd, NULL, 5, 0));
	CALL("splice pipe offset", splice(p[0], &off, fd, NULL, 5, 0));
	struct iovec v = { "vmsp", 4 };
	CALL("vmsplice", vmsplice(p[1], &v, 1, 0));
	CALL("vmsplice read", n = read(p[0], buf, 10));
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	off = 0;
	CALL("splice of nothing", splice(p[0], NULL, fd, &off, 5, 0));
	CALL("tee of nothing", tee(p[0], q[1], 3, 0));
	BYTES("vmsplice bytes", buf, n);
	splice_goes_first();
	return 0;
}
